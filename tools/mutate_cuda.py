#!/usr/bin/env python3
"""Shows that the tests on the emulated CUDA device bite: breaks the kernels in one place at a time and looks
whether the tests, AddressSanitizer or ThreadSanitizer find it. Barriers are removed, indices and bounds
widened by one, warp masks lose a lane, and blocks get into each other's way; in our own .cu files and in
the text of fused groups. Unbroken code must pass in all three builds first.

    tools/mutate_cuda.py [--resume] [--only WORD] [--limit N] [--all] [--jobs N] [--list] [--table]

All mutants take hours on two cores. So by default a sample is tried: every barrier, mask and race, and of
the indices of each file every eighth, at least two; --all tries all, --limit the first N of what remains.
Results go to docs/measurements/mutants.json (--json FILE), each as soon as it is known; --resume keeps
those that are there. Exits 1 if fewer than 90 % of the mutants that change anything were found."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "mutate"))
import builds  # noqa: E402
import points  # noqa: E402
from equivalent import reason_of  # noqa: E402

WANTED = 0.9
EVERY = 8
SAMPLING = (f"every barrier, mask and race; of the indices of each file every {EVERY}th in the order of the "
            "text, at least two")


def sample_of(mutants):
    chosen, seen = [], {}
    counts = {}
    for mutant in mutants:
        if mutant["kind"] == "index":
            counts[mutant["file"]] = counts.get(mutant["file"], 0) + 1
    for mutant in mutants:
        if mutant["kind"] == "index":
            at = seen[mutant["file"]] = seen.get(mutant["file"], -1) + 1
            if at % min(EVERY, max(1, counts[mutant["file"]] // 2)) != 0:
                continue
        chosen.append(mutant)
    return chosen


def prepare(presets, jobs):
    """Builds what the mutants are linked with; returns {preset: Build}."""
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if builds.call(["which", "ccache"])[0] == 0 else []
    for preset in presets:
        for command in (["cmake", "--preset", preset] + launcher,
                        ["cmake", "--build", f"build/{preset}", "-j", str(jobs), "--target", "sinter_cuda_emulated",
                         "cuda_kernels_test", "fused_run_test", "--", "--quiet"]):
            status, output = builds.call(command)
            if status != 0:
                sys.exit(output)
    return {preset: builds.Build(preset) for preset in presets}


def check_unbroken(mutants, presets):
    """Seconds of each test run on code that is whole; ends the program if anything is reported."""
    seconds = {}
    for fused, tests in sorted({("rule" in m, builds.tests_of(m)) for m in mutants}):
        for preset in presets:
            start = time.time()
            how = builds.verdict(*builds.run_tests(preset, fused, tests))
            if how:
                sys.exit(f"mutate_cuda: unbroken code is reported in {preset}, {tests}: {how}")
            seconds[f"{preset} {tests}"] = round(time.time() - start, 1)
            print(f"unbroken {preset} {tests}: nothing reported, {seconds[f'{preset} {tests}']} s", flush=True)
    return seconds


def summary_of(results):
    table = {}
    for result in results:
        for key in ((result["file"], result["kind"]), ("all", result["kind"]), ("all", "all")):
            row = table.setdefault(key, {"tried": 0, "found": 0, "equivalent": 0})
            row["tried"] += 1
            row["found"] += result["found_by"] is not None
            row["equivalent"] += result["found_by"] is None and result.get("equivalent") is not None
    return [{"file": file, "kind": kind, **row} for (file, kind), row in sorted(table.items())]


def share_found(row):
    meant = row["tried"] - row["equivalent"]
    return row["found"] / meant if meant else 1.0


def write(path, report):
    report["summary"] = summary_of(report["mutants"])
    temporary = pathlib.Path(str(path) + ".new")
    temporary.write_text(json.dumps(report, indent=1) + "\n")
    os.replace(temporary, path)


def show(report):
    print(f"{'file':48} {'kind':8} {'tried':>5} {'found':>5} {'equivalent':>10} {'share':>6}")
    for row in report["summary"]:
        print(f"{row['file']:48} {row['kind']:8} {row['tried']:5} {row['found']:5} {row['equivalent']:10} "
              f"{share_found(row):6.0%}")
    by = {}
    for result in report["mutants"]:
        by[result["found_by"]] = by.get(result["found_by"], 0) + 1
    print("found by:", ", ".join(f"{name or 'nobody'} {count}" for name, count in by.items()))
    for result in report["mutants"]:
        if result["found_by"] is None:
            print(f"survived: {result['file']}:{result['line']}: {result['what']}\n"
                  f"    {result.get('equivalent') or result['how'] or 'not found by ' + ', '.join(result.get('presets', []))}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resume", action="store_true", help="keep the results that are there")
    parser.add_argument("--only", metavar="WORD", help="mutants whose name has this in it")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N of them now")
    parser.add_argument("--all", action="store_true", help="all mutants, not the sample")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--presets", default=",".join(builds.PRESETS), help="in the order in which they look")
    parser.add_argument("--list", action="store_true", help="print the mutants and end")
    parser.add_argument("--table", action="store_true", help="print the results that are there and end")
    parser.add_argument("--json", default=str(points.ROOT / "docs/measurements/mutants.json"))
    options = parser.parse_args()
    every_one = points.all_mutants()
    mutants = every_one if options.all else sample_of(every_one)
    if options.only:
        mutants = [m for m in mutants if options.only in m["name"]]
    if options.list:
        for mutant in mutants:
            print(f"{mutant['name']}: {mutant['what']}")
        print(f"{len(mutants)} of {len(every_one)} mutants")
        return 0
    path = pathlib.Path(options.json)
    old = json.loads(path.read_text()) if path.exists() else {"mutants": []}
    if options.table:
        show(old)
        return 0
    presets = options.presets.split(",")
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=points.ROOT, text=True,
                            capture_output=True).stdout.strip()
    report = {"command": "tools/mutate_cuda.py", "commit": commit, "date": time.strftime("%Y-%m-%d"),
              "presets": presets, "sampling": "all" if options.all else SAMPLING,
              "mutants_there_are": len(every_one), "unbroken_seconds": {},
              "mutants": old["mutants"] if options.resume else []}
    # What survived is tried again where more builds look. Known by its text too: lines move.
    report["mutants"] = [m for m in report["mutants"]
                         if m["found_by"] or set(presets) <= set(m["presets"])]
    known = {(m["name"], m["what"]) for m in report["mutants"]}
    mutants = [m for m in mutants if (m["name"], m["what"]) not in known]
    # In an order that mixes files and kinds, so that a run that is cut off is a sample too.
    mutants = sorted(mutants, key=lambda m: zlib.crc32(m["name"].encode()))[:options.limit]
    all_builds = prepare(presets, options.jobs)
    report["unbroken_seconds"] = check_unbroken(mutants, presets)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        tried = [pool.submit(builds.try_mutant, mutant, all_builds) for mutant in mutants]
        for done in concurrent.futures.as_completed(tried):
            result = done.result()
            if result["found_by"] is None:
                result["equivalent"] = reason_of(result)
            report["mutants"].append(result)
            write(path, report)
            print(f"{result['name']}: {result['found_by'] or 'SURVIVED'}: {result['how']} ({result['seconds']} s)",
                  flush=True)
    write(path, report)
    show(report)
    total = [row for row in report["summary"] if row["file"] == row["kind"] == "all"]
    return 0 if not total or share_found(total[0]) >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
