#!/usr/bin/env python3
"""Sinter beside PyTorch, and JAX where --jax names it, in one run: every round times Sinter, then each of
PyTorch's modes, then JAX, one process after the other, so that all see the same machine. Prints a table and writes all results as JSON."""
import argparse
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODES = [("eager", False), ("model", False), ("model", True), ("step", False), ("step", True)]


def name_of(mode, autotune):
    return "eager" if mode == "eager" else f"compile {mode}" + (" max-autotune" if autotune else "")


def run(command, environment):
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"sinter: error: {' '.join(map(str, command))} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def how(arguments):
    return ["--dtype", arguments.dtype, "--threads", str(arguments.threads),
            "--seconds", str(arguments.seconds)]


def measure_sinter(arguments, workload, environment):
    return run([arguments.sinter, "bench", workload, "--json"] + how(arguments), environment)[0]


def measure_pytorch(arguments, workload, mode, autotune, environment):
    command = [arguments.python, HERE / "pytorch_workloads.py", workload, "--mode", mode] + how(arguments)
    return run(command + (["--autotune"] if autotune else []), environment)


def measure_jax(arguments, workload, environment):
    return run([arguments.jax, HERE / "jax_workloads.py", workload] + how(arguments), environment)


def median_step(results):
    return statistics.median(result["step_ms"]["median"] for result in results)


def machine():
    names = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run(git + ["rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    # The figures themselves, written here, are no change of what is measured.
    changes = subprocess.run(git + ["status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/measurements"],
                             capture_output=True, text=True).stdout
    commit += "-dirty" if changes else ""
    return {"cpu": names[0] if names else platform.machine(), "cores": len(os.sched_getaffinity(0)),
            "load_at_start": os.getloadavg()[0], "commit": commit}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def print_table(results):
    to_eager, to_compiled, to_jax = [], [], []
    for workload, measured in results.items():
        ours = median_step(measured["sinter"])
        print(f"\n{workload:<32}{'step ms':>10}{'first ms':>12}{'/ ours':>10}")
        for name, each in measured.items():
            step = median_step(each)
            first = statistics.median(result["first_step_ms"] for result in each)
            ratio = "" if name == "sinter" else f"{step / ours:.2f} x"
            print(f"  {name:<30}{step:>10.3f}{first:>12.1f}{ratio:>10}")
        to_eager.append(median_step(measured["eager"]) / ours)
        compiled = [median_step(each) for name, each in measured.items() if name.startswith("compile")]
        to_compiled.append(min(compiled) / ours)
        if "jax" in measured:
            to_jax.append(median_step(measured["jax"]) / ours)
    jax = f", {geometric_mean(to_jax):.2f} x JAX" if to_jax else ""
    print(f"\ngeometric mean: {geometric_mean(to_eager):.2f} x eager, "
          f"{geometric_mean(to_compiled):.2f} x the best torch.compile{jax}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has torch")
    parser.add_argument("--jax", help="an interpreter that has jax; without it JAX is left out")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32",
                        help="of products; PyTorch: under autocast")
    parser.add_argument("--sinter", default=ROOT / "build/release/bin/sinter")
    parser.add_argument("--workloads", nargs="+", default=["mlp", "cnn"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resume", action="store_true", help="keep the rounds that --out holds of this commit")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/measurements/pytorch.json")
    arguments = parser.parse_args()

    environment = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads))
    about, results = machine(), {}
    for workload in arguments.workloads:
        results[workload] = {"sinter": []} | {name_of(*mode): [] for mode in MODES}
        if arguments.jax:
            results[workload]["jax"] = []
    if arguments.resume and arguments.out.exists():
        before = json.loads(arguments.out.read_text())
        if before["machine"]["commit"] == about["commit"] and before["results"].keys() == results.keys():
            about, results = before["machine"], before["results"]
    done = min(len(each) for measured in results.values() for each in measured.values())
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    for number in range(done, arguments.rounds):
        for workload in arguments.workloads:
            print(f"round {number + 1} of {arguments.rounds}: {workload}", flush=True)
            results[workload]["sinter"].append(measure_sinter(arguments, workload, environment))
            for mode, autotune in MODES:
                results[workload][name_of(mode, autotune)].append(
                    measure_pytorch(arguments, workload, mode, autotune, environment))
            if arguments.jax:
                results[workload]["jax"].append(measure_jax(arguments, workload, environment))
        about["load_at_end"] = os.getloadavg()[0]
        # Whole rounds only, so that a resumed run goes on from one.
        arguments.out.write_text(json.dumps({"machine": about, "results": results}, indent=1) + "\n")
    print_table(results)
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
