#!/usr/bin/env python3
"""Builds Sinter on a machine with an NVIDIA GPU and finds out what works there and how fast.

Parts: build (release, with the CUDA library), ops (every op on the device, against the CPU; op by op,
compiled and replayed), steps (ten training steps on both devices), limits (bandwidth, multiply-adds, matmul,
each kernel of a step against them), train (an image classifier), sanitizer (compute-sanitizer), bench (whole
steps beside PyTorch). Each writes FOLDER/PART.json at once; at the end there is a table and
FOLDER/gpu-NAME.json. Exit status: 0 when nothing failed, 1 otherwise, 2 for wrong usage."""
import argparse
import os
import pathlib
import sys
import time
import traceback

import building
import check
import measuring
import report
import testing

# name: (what it does, its most seconds on a GPU)
PARTS = {"build": (building.build, 240), "ops": (testing.ops, 90), "steps": (testing.steps, 40),
         "limits": (measuring.limits, 60), "train": (measuring.train, 60), "sanitizer": (testing.sanitizer, 120),
         "bench": (measuring.bench, 300)}


def parse():
    parser = argparse.ArgumentParser(prog="tools/gpu_check", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), metavar="PART,...")
    parser.add_argument("--out", type=pathlib.Path, default=check.ROOT / "build/gpu_check", metavar="FOLDER")
    parser.add_argument("--packages", type=pathlib.Path, metavar="FOLDER",
                        help="unpacked Debian packages to build with (tools/gpu/pack_packages)")
    parser.add_argument("--data", metavar="FOLDER", help="MNIST's four files; without it the embedded set")
    parser.add_argument("--seconds", type=float, help="for all parts together (460; emulated: an hour)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="of the build: all cores")
    parser.add_argument("--build", type=pathlib.Path, metavar="FOLDER", help="build/gpu, or build/release")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has torch")
    parser.add_argument("--commit", help="what the sources are, where there is no clone to ask")
    parser.add_argument("--emulated", action="store_true",
                        help="rehearse on the emulated device, at small sizes; no figure is one of a GPU")
    options = parser.parse_args()
    options.seconds = options.seconds or (3600 if options.emulated else 460)
    options.parts = [name for name in options.parts.split(",") if name]
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; the parts: {', '.join(PARTS)}")
    if options.packages and not (options.packages / "usr").is_dir():
        parser.error(f"{options.packages} holds no usr/: make it by tools/gpu/pack_packages")
    return options


def run_part(run, name):
    function, limit = PARTS[name]
    part = check.Part(name, run.emulated)
    print(f"== {name}{' (emulated)' if run.emulated else ''}", flush=True)
    start = time.monotonic()
    # An emulated device takes the time that it takes.
    run.part_end = None if run.emulated else start + limit
    try:
        function(run, part)
    except check.OutOfTime:
        part.skip("the rest of it", "no time left")
    except Exception:  # one part's surprise must not take the others with it
        part.fail(name, traceback.format_exc())
    run.part_end = None
    part.seconds = time.monotonic() - start
    result = part.to_json()
    check.write_json(run.out / f"{name}.json", result)
    return result


def main():
    options = parse()
    run = check.Check(options)
    run.out.mkdir(parents=True, exist_ok=True)
    about = report.machine(run)
    parts = []
    for name in PARTS:
        if name in options.parts:
            parts.append(run_part(run, name))
            whole = report.collect(run, about, parts)
    report.print_table(whole)
    print(f"written: {run.out / report.file_name(about)}")
    return 0 if whole["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
