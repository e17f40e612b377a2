#!/usr/bin/env python3
"""Finds expressions in which the compiler chooses what is recorded first.

C++ leaves open in which order the arguments of a call are evaluated, those of + and * on tensors too. Where
two arguments each record an op, g++ and clang make different graphs: other numbers, other folds of gradients,
other bits. So all but one of them get a name of their own first.

    tools/check_order.py [BUILD]     BUILD: a folder with compile_commands.json made for clang (build/clang)

Needs clang-query (Debian's clang-tools-14, or a newer one)."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["src/ops", "src/autograd", "src/compile", "src/nn", "src/optim", "src/recipes", "src/train", "cli", "examples"]
# A call that makes a Tensor, or several; or a State passed as an op's operand, which is read then.
RECORDS = """let read cxxConstructExpr(hasDeclaration(cxxConstructorDecl(ofClass(hasName("::sinter::Operand")), \
hasParameter(0, hasType(references(cxxRecordDecl(hasName("::sinter::State"))))))))
let called callExpr(callee(functionDecl(unless(returns(referenceType())), \
unless(hasAnyName("value", "move", "forward", "get", "inputs_of", "states")), \
returns(anyOf(hasDeclaration(cxxRecordDecl(hasName("::sinter::Tensor"))), \
asString("std::vector<Tensor>"), asString("std::vector<sinter::Tensor>"))))))
let made expr(anyOf(read, called))
let records anyOf(made, hasDescendant(made))
""".replace("\\\n", "")
PAIRS = [(a, b) for b in range(5) for a in range(b)]
QUERY = "set output diag\nset traversal AsIs\n" + RECORDS + "".join(
    f"m callExpr(hasArgument({a}, records), hasArgument({b}, records))\n" for a, b in PAIRS)
# What must be found, line by line, or the search itself is broken.
CONTROL = """#include "sinter/sinter.h"
sinter::Tensor three(const sinter::Tensor& x) { return sinter::where(x > 0.0, x, sinter::exp(x)); }
sinter::Tensor two(const sinter::Tensor& x) { return sinter::sin(x) + sinter::cos(x); }
sinter::Tensor one(const sinter::Tensor& x) { return sinter::sin(x) + x; }
sinter::Tensor read(const sinter::State& a, const sinter::State& b) { return a * b; }
"""
CONTROL_LINES = {2, 3, 5}
PLACE = re.compile(r"^(\S+?):(\d+):\d+: note: .*binds here", re.M)


def clang_query() -> str:
    """The oldest there is, as cmake/clang.cmake takes the oldest compiler."""
    for name in [f"clang-query-{version}" for version in range(14, 20)] + ["clang-query"]:
        if shutil.which(name):
            return name
    sys.exit("clang-query is missing (Debian's clang-tools-14, or a newer one)")


def places_in(source, *options):
    done = subprocess.run([clang_query(), "-f", "/dev/stdin", str(source), *options], input=QUERY, text=True,
                          capture_output=True)
    if done.returncode != 0 or "error:" in done.stderr + done.stdout:
        sys.exit(f"check_order: {source}: {(done.stderr + done.stdout)[:2000]}")
    return {(pathlib.Path(file), int(line)) for file, line in PLACE.findall(done.stdout)}


def check_control():
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "control.cc"
        source.write_text(CONTROL)
        found = {line for file, line in places_in(source, "--", "-std=c++20", f"-I{ROOT}/include") if file == source}
    if found != CONTROL_LINES:
        sys.exit(f"check_order: of a file with places in lines {CONTROL_LINES} the search finds {found or 'none'}")


def main():
    check_control()
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/clang")
    sources = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.cc"))]
    found = set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for places in pool.map(lambda source: places_in(source, "-p", str(build)), sources):
            found |= {(file, line) for file, line in places if ROOT in file.parents}
    for file, line in sorted(found):
        text = file.read_text().splitlines()[line - 1].strip()
        print(f"{file.relative_to(ROOT)}:{line}: two arguments record ops: {text}")
    print(f"check_order: {len(sources)} files, {len(found)} places")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
