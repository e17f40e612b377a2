#!/usr/bin/env python3
"""Finds expressions in which the compiler chooses what is recorded first.

C++ leaves open in which order the arguments of a call are evaluated, those of + and * on tensors too. Where
two arguments each record an op, g++ and clang make different graphs: other numbers, other folds of gradients,
other bits. So all but one of them get a name of their own first.

    tools/check_order.py [BUILD]     BUILD: a folder with compile_commands.json made for clang (build/clang)

Needs clang-query (Debian's clang-tools-14)."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["src/ops", "src/autograd", "src/compile", "src/nn", "src/optim", "src/recipes", "src/train", "cli", "examples"]
RECORDS = """let made callExpr(callee(functionDecl(returns(hasDeclaration(cxxRecordDecl(hasName("::sinter::Tensor")))),
 unless(returns(referenceType())), unless(hasAnyName("value", "move", "forward")))))
let records anyOf(made, hasDescendant(made))
""".replace("\n unless", " unless")
PAIRS = [(0, 1), (0, 2), (1, 2)]
QUERY = "set output diag\nset traversal AsIs\n" + RECORDS + "".join(
    f"m callExpr(hasArgument({a}, records), hasArgument({b}, records))\n" for a, b in PAIRS)
PLACE = re.compile(r"^(\S+?):(\d+):\d+: note: .*binds here", re.M)


def places_in(source, build):
    done = subprocess.run(["clang-query-14", "-p", str(build), "-f", "/dev/stdin", str(source)], input=QUERY,
                          text=True, capture_output=True)
    if done.returncode != 0 or "error:" in done.stderr + done.stdout:
        sys.exit(f"check_order: {source}: {(done.stderr + done.stdout)[:2000]}")
    return {(pathlib.Path(file), int(line)) for file, line in PLACE.findall(done.stdout)}


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/clang")
    sources = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.cc"))]
    found = set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for places in pool.map(lambda source: places_in(source, build), sources):
            found |= {(file, line) for file, line in places if ROOT in file.parents}
    for file, line in sorted(found):
        text = file.read_text().splitlines()[line - 1].strip()
        print(f"{file.relative_to(ROOT)}:{line}: two arguments record ops: {text}")
    print(f"check_order: {len(sources)} files, {len(found)} places")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
