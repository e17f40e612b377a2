#!/usr/bin/env python3
"""Kills a training run with SIGKILL after its second checkpoint, at a random moment, and resumes it: N times.
Each resumed run must start at the last checkpoint and end with the model.safetensors and metrics.jsonl of a run
that nobody interrupted, byte for byte. Prints a line a kill and writes a JSON summary.

usage: check_resume.py [--sinter PATH] [--kills N] [--seed S] [--out FILE] -- OPTIONS OF `sinter train image`"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILES = ["model.safetensors", "metrics.jsonl"]


def train(arguments, run, *more):
    return [str(arguments.sinter), "train", "image", *arguments.options, "--out", str(run), "--quiet", *more]


def kill_once(arguments, run, delay):
    """Starts a run; kills it `delay` seconds after its second checkpoint. False when it was done before."""
    last = run / "checkpoints/last.safetensors"
    process = subprocess.Popen(train(arguments, run), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen = set()
    while process.poll() is None and len(seen) < 2:
        if last.exists():
            seen.add(last.stat().st_mtime_ns)
        time.sleep(0.002)
    time.sleep(delay)
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sinter", default=ROOT / "build/release/bin/sinter")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("options", nargs="*")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder) / "whole"
        start = time.monotonic()
        subprocess.run(train(arguments, whole), check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - start
        steps = json.loads((whole / "summary.json").read_text())["steps"]
        while len(results) < arguments.kills:
            run = pathlib.Path(folder) / f"killed-{len(results)}"
            if not kill_once(arguments, run, chance.uniform(0, seconds / 2)):
                subprocess.run(["rm", "-r", str(run)], check=True)
                continue
            subprocess.run(train(arguments, run, "--resume"), check=True, stdout=subprocess.DEVNULL)
            summary = json.loads((run / "summary.json").read_text())
            same = all((run / name).read_bytes() == (whole / name).read_bytes() for name in FILES)
            adds_up = summary["resumed_from_step"] + summary["steps_run"] == steps
            results.append({"resumed_from_step": summary["resumed_from_step"], "of": steps,
                            "same_bytes": same, "steps_add_up": adds_up})
            print(f"kill {len(results)}: resumed at step {summary['resumed_from_step']} of {steps}: "
                  + ("the same bytes" if same and adds_up else "DIFFERENT"), flush=True)
    good = sum(result["same_bytes"] and result["steps_add_up"] for result in results)
    print(f"{good} passed, {len(results) - good} failed")
    if arguments.out:
        arguments.out.write_text(json.dumps({"options": arguments.options, "kills": results}, indent=1) + "\n")
    return 0 if good == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
