#!/usr/bin/env python3
"""Logistic regression of scikit-learn beside `sinter train tabular`, on the same rows.

    tools/bench/tabular_peers.py SINTER FOLDER --target COLUMN --order-by COLUMN [--seeds 1,2,3] [--json FILE]

Rows of all CSV files of FOLDER, ordered by a column; the first 60 % train, the next 20 % choose the model,
the last 20 % are looked at once. Prints and writes areas under both curves with 95 % bootstrap intervals.
Needs scikit-learn and pandas."""
import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy
import pandas
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

RESAMPLINGS = 1000


def interval(metric, labels, scores):
    random = numpy.random.default_rng(0)
    values = []
    for _ in range(RESAMPLINGS):
        rows = random.integers(0, len(labels), len(labels))
        if 0 < labels[rows].sum() < len(rows):
            values.append(metric(labels[rows], scores[rows]))
    return [round(float(x), 6) for x in numpy.percentile(values, [2.5, 97.5])]


def logistic_regression(options):
    files = sorted(pathlib.Path(options.folder).glob("*.csv*"))
    table = pandas.concat([pandas.read_csv(file) for file in files], ignore_index=True)
    table = table.sort_values(options.order_by, kind="stable")
    labels = table[options.target].to_numpy()
    inputs = table.drop(columns=[options.target, options.order_by]).to_numpy()
    held = int(len(table) * 0.2)
    train, test = len(table) - 2 * held, len(table) - held
    start = time.monotonic()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    model.fit(inputs[:train], labels[:train])
    seconds = time.monotonic() - start
    scores = model.predict_proba(inputs[test:])[:, 1]
    wanted = labels[test:]
    return {"model": "logistic regression, scikit-learn " + sklearn.__version__, "seconds": round(seconds, 3),
            "rows": len(table), "positives_in_test": int(wanted.sum()),
            "auprc": average_precision_score(wanted, scores),
            "auprc_interval": interval(average_precision_score, wanted, scores),
            "auroc": roc_auc_score(wanted, scores), "auroc_interval": interval(roc_auc_score, wanted, scores)}


def ours(options, seed, model):
    with tempfile.TemporaryDirectory() as folder:
        run = f"{folder}/run"
        subprocess.run([options.sinter, "train", "tabular", "--data", options.folder, "--model", model, "--seed",
                        str(seed), "--set", f"target={options.target}", "--set", f"order_by={options.order_by}",
                        "--out", run, "--quiet"], check=True)
        summary = json.loads(pathlib.Path(run, "summary.json").read_text())
        line = subprocess.run([options.sinter, "eval", run, "--bootstrap", str(RESAMPLINGS)], check=True,
                              capture_output=True, text=True).stdout
    found = json.loads(line)
    return {"model": "sinter " + model, "seed": seed, "seconds": summary["train_seconds"],
            **{key: found[key] for key in ("auprc", "auprc_interval", "auroc", "auroc_interval")}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sinter")
    parser.add_argument("folder")
    parser.add_argument("--target", required=True)
    parser.add_argument("--order-by", required=True)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--json")
    options = parser.parse_args()
    results = [logistic_regression(options)]
    for model in ("mlp", "linear"):
        results += [ours(options, int(seed), model) for seed in options.seeds.split(",")]
    text = "[" + ",\n ".join(json.dumps(result) for result in results) + "]\n"
    print(text, end="")
    if options.json:
        pathlib.Path(options.json).write_text(text)


if __name__ == "__main__":
    main()
