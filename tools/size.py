#!/usr/bin/env python3
"""Lines of C++ per folder: files, lines, lines of comment, the longest file."""
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["include/sinter", *(f"src/{layer}" for layer in (
    "base ir backend tensor ops autograd compile nn optim data io train recipes serve").split()),
    "cli", "tests", "bench", "examples", "tools"]


def main():
    totals = [0, 0, 0]
    print(f"{'':<16}{'files':>7}{'lines':>8}{'comments':>10}  longest")
    for folder in FOLDERS:
        files = [p for p in sorted((ROOT / folder).rglob("*")) if p.suffix in (".h", ".cc", ".cu", ".cuh")]
        if not files:
            continue
        lines = {p: p.read_text().splitlines() for p in files}
        counts = [len(files), sum(map(len, lines.values())),
                  sum(line.lstrip().startswith("//") for text in lines.values() for line in text)]
        totals = [total + count for total, count in zip(totals, counts)]
        longest = max(files, key=lambda p: len(lines[p]))
        print(f"{folder:<16}{counts[0]:>7}{counts[1]:>8}{counts[2]:>10}"
              f"  {longest.relative_to(ROOT / folder)} ({len(lines[longest])})")
    print(f"{'all':<16}{totals[0]:>7}{totals[1]:>8}{totals[2]:>10}")


if __name__ == "__main__":
    main()
