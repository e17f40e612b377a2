#!/usr/bin/env python3
"""check_links.py finds calls to the right, compiled into objects that stand beside those of a build.

    tools/check_links_test.py [BUILD]"""
import os
import pathlib
import subprocess
import sys
import tempfile

import check_links

# (what the layer on the left holds, what the one on the right holds, what must be said; None: nothing)
PLANTED = [
    ("tensor", "int planted(); int calls() { return planted(); }", "compile", "int planted() { return 1; }",
     "tensor calls planted(), which stands to its right, in compile"),
    ("base", "extern int planted; int reads() { return planted; }", "train", "int planted = 1;",
     "base calls planted, which stands to its right, in train"),
    ("nn", "int planted(); int calls() { return planted(); }", "optim", "int planted() { return 1; }",
     "nn calls planted(), which stands to its right, in optim"),
    ("ops", "struct Planted { void f(); }; void makes() { Planted().f(); }", "autograd",
     "struct Planted { void f(); }; void Planted::f() {}",
     "ops calls Planted::f(), which stands to its right, in autograd"),
    # To the left, to the same layer, and one of two definitions within reach.
    ("compile", "int planted() { return 1; }", "nn", "int planted(); int calls() { return planted(); }", None),
    ("ops", "int planted(); int calls() { return planted(); }", "ops", "int planted() { return 1; }", None),
    ("ops", "inline int planted() { return 1; } int calls() { return planted(); } int (*f)() = planted;", "nn",
     "inline int planted() { return 1; } int calls_too() { return planted(); } int (*g)() = planted;", None),
]


def compiled(text, path):
    path.with_suffix(".cc").write_text(text)
    subprocess.run([os.environ.get("CXX", "g++"), "-O0", "-c", path.with_suffix(".cc"), "-o", path], check=True)
    return path


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/release").resolve()
    objects = check_links.objects_of(build)
    failures = check_links.check(objects)
    with tempfile.TemporaryDirectory() as folder:
        for i, (left, left_text, right, right_text, expected) in enumerate(PLANTED):
            planted = {layer: list(found) for layer, found in objects.items()}
            planted[left].append(compiled(left_text, pathlib.Path(folder, f"left{i}.o")))
            planted[right].append(compiled(right_text, pathlib.Path(folder, f"right{i}.o")))
            found = check_links.check(planted)
            if found != ([expected] if expected else []):
                failures.append(f"planted in {left} and {right}: found {found} instead of '{expected}'")
    without = dict(objects, ops=[each for each in objects["ops"] if each.name != "scan.cc.o"])
    if not any(problem.startswith("ops no longer calls") for problem in check_links.check(without)):
        failures.append("a named call that is gone was not found")
    if not check_links.check({layer: found for layer, found in objects.items() if layer != "nn"}):
        failures.append("a layer that was not built was not missed")
    for failure in failures:
        print(failure)
    print(f"{len(PLANTED) + 2} cases planted, {len(failures)} problems")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
