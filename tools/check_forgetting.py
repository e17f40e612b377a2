#!/usr/bin/env python3
"""Shows that nothing that belongs to an op can be forgotten: plants each omission in a copy of the tree
and looks for the line with which the build, the first test or the layout check refuses it. Then plants a
whole pointwise op - one struct, one list entry, one sample row and nothing else - whose tests must pass.

    tools/check_forgetting.py [-j JOBS] [--only WORD] [--json FILE]

--only runs the cases whose name holds WORD ("whole": the whole op); FILE then keeps what it has of others.

The copy lies in build/forgetting with a build folder of its own, so that a case builds few files (ccache
helps the first build). Exits 1 when an omission goes unnoticed or is noticed for another reason."""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPY = ROOT / "build/forgetting/tree"
BUILD = COPY / "build/release"

POINTWISE = "src/ir/pointwise.h"
LIST = "include/sinter/pointwise_list.h"
OPS = "src/ir/op_list.h"
OP_PAD = "src/ops/pad.cc"
CPU_PAD = "src/backend/cpu/kernels/pad.cc"
CUDA_PAD = "src/backend/cuda/kernels/pad.cu"
SAMPLES = "tests/ops/op_samples.cc"

# What is built: the object that refuses (any that does not compile fails the build), or a program.
TABLE = "src/ir/CMakeFiles/sinter_ir.dir/pointwise_table.cc.o"
PAD_OBJECT = "src/ops/CMakeFiles/sinter_ops.dir/pad.cc.o"
OPS_TEST = "ops_test"
CUDA = "sinter_cuda_emulated"

SIGMOID_DOC = '  static constexpr const char* doc = "1 / (1 + exp(-x))";\n'
SIGMOID_FORWARD = """  template <class T>
  static T forward(T x) {
    return math::sigmoid(x);
  }
"""
PAD_ENTRY = "  kernel(Pad, pad)                                             \\\n"
HALVES_ENTRY = "  kernel(Halves, halves) \\\n"
LAST_POINTWISE = "  ternary(MultiplyAdd, multiply_add)\n"
WITH_HALVE = "  ternary(MultiplyAdd, multiply_add)                \\\n  unary(Halve, halve)\n"
HALVE = """struct Halve : OnFloats {
  static constexpr const char* doc = "x / 2";
  template <class T>
  static T forward(T x) {
    return multiply(x, T(0.5));
  }
  template <class V>
  static V backward(const V& g, const V&, const V&) {
    return g * 0.5;
  }
};

struct Sigmoid : OnFloats {"""
HALVE_ROW = """{OpId::trunc, 0.1, 0.9},
           {OpId::halve, -3, 3, [](double x, double, double) { return x / 2; }}}) {"""


class Case:
    """An omission: edits {path: [(old, new), ...]} (None: the file is removed), what to build, which
    tests or check to run then, and the pattern of the line that must be there."""

    def __init__(self, name, edits, expect, build=None, tests=None, layout=False):
        self.name, self.edits, self.expect = name, edits, expect
        self.build, self.tests, self.layout = build, tests, layout


def remove(text):
    return [(text, "")]


def op_block(text, name):
    """The definition of a structured op in its file."""
    start = text.index(f"constinit const ir::Op {name} = {{")
    return text[start:text.index("\n};\n", start) + 4]


def without_field(path, name, field):
    """The op without a field. A function that the field named stays in use: this is not about warnings."""
    block = op_block((ROOT / path).read_text(), name)
    if field in ("doc", "inputs", "schema"):
        shorter = re.sub(rf"    \.{field} =.*?,\n(?=    \.)", "", block, flags=re.S)
    else:
        shorter = re.sub(rf"    \.{field} = (.*),\n", rf"    .{field} = true ? nullptr : \1,\n", block)
    return {path: [(block, shorter)]}


def rows_of(op):
    """The sample rows of an op that has a function call for each."""
    text = (ROOT / SAMPLES).read_text()
    return re.findall(rf"  rows\.add(?:_smooth)?\(OpId::{op}, .*?;\n", text, re.S)


def structured_cases():
    """What the list of structured ops promises, and what the files of an op must keep."""
    with_halves = {OPS: [(PAD_ENTRY, PAD_ENTRY + HALVES_ENTRY)]}
    kernel, other = "const Kernel kPad{", "const Kernel kOther{"
    yield Case("structured: a list entry without an op",
               {OPS: [(PAD_ENTRY, PAD_ENTRY + HALVES_ENTRY.replace("kernel", "op"))]},
               r"undefined reference to `sinter::ops::kHalves'", build=OPS_TEST)
    yield Case("structured: a list entry without a kernel on the CPU", with_halves,
               r"undefined reference to `sinter::backend::cpu::kHalves'", build=OPS_TEST)
    yield Case("structured: a list entry without a kernel on CUDA", with_halves,
               r"undefined reference to `sinter::backend::cuda::kHalves'", build=CUDA)
    yield Case("structured: an op without a list entry", {OPS: remove(PAD_ENTRY)},
               r"error: .*[‘'](kPad|pad)[’'].*", build=PAD_OBJECT)
    yield Case("structured: a name that is not the list's",
               {OP_PAD: [('.name = "pad"', '.name = "padded"')]},
               r"op pad calls itself padded", build=OPS_TEST, tests="OpList.*")
    yield Case("structured: an op with kernels, listed without",
               {OPS: [("  kernel(Pad, pad) ", "  op(Pad, pad) ")]},
               r"op pad: its kind does not go with its place.*", build=OPS_TEST, tests="OpList.*")
    yield Case("structured: a composition, listed with kernels",
               {OPS: [("  op(Softmax, ", "  kernel(Softmax, ")]},
               r"undefined reference to `sinter::backend::cuda::kSoftmax'", build=CUDA)
    yield Case("structured: the CPU's kernel is not defined", {CPU_PAD: [(kernel, other)]},
               r"error: .*kOther.*|undefined reference to `sinter::backend::cpu::kPad'", build=OPS_TEST)
    yield Case("structured: CUDA's kernel is not defined", {CUDA_PAD: [(kernel, other)]},
               r"error: .*kOther.*|undefined reference to `sinter::backend::cuda::kPad'", build=CUDA)
    yield Case("structured: the CPU's file is missing, the build", {CPU_PAD: None},
               r"undefined reference to `sinter::backend::cpu::kPad'", build=OPS_TEST)
    yield Case("structured: CUDA's file is missing, the build", {CUDA_PAD: None},
               r"undefined reference to `sinter::backend::cuda::kPad'", build=CUDA)
    yield Case("structured: the op's file is missing, the build", {OP_PAD: None},
               r"undefined reference to `sinter::(ops::kPad|pad\(.*)'", build=OPS_TEST)
    for file, begins in ((CPU_PAD, "const Kernel"), (CUDA_PAD, "const Kernel"), (OP_PAD, ".*ir::Op")):
        folder = re.escape(str(pathlib.PurePath(file).parent))
        yield Case(f"structured: {file} is missing, the layout", {file: None},
                   rf"{folder}: no \.c[cu] file defines '{begins} kPad', which src/ir/op_list\.h lists",
                   layout=True)
    yield Case("structured: CUDA's kernel lies in another op's file",
               {CUDA_PAD: None, "src/backend/cuda/kernels/pack.cu":
                [("const Kernel kPack{", "const Kernel kPad{};\nconst Kernel kPack{")]},
               r"kPad: a structured op's files share their stem, these are pad, pad, pack", layout=True)


def cases():
    rows = rows_of("pad")
    smooth = [row for row in rows if "add_smooth" in row]
    yield Case("pointwise: a list entry without a struct", {LIST: [(LAST_POINTWISE, WITH_HALVE)]},
               r"error: .*[‘']Halve[’'].*", build=TABLE)
    yield Case("pointwise: a struct without a line of documentation",
               {POINTWISE: remove(SIGMOID_DOC)}, r"error: .*[‘']doc[’'] is not a member of.*Sigmoid.*",
               build=TABLE)
    yield Case("pointwise: a struct without forward", {POINTWISE: remove(SIGMOID_FORWARD)},
               r"error: .*[‘']forward[’'] is not a member of.*Sigmoid.*", build=TABLE)
    yield from structured_cases()
    yield Case("an op without a sample row",
               {SAMPLES: [(row, "  static_cast<void>(widths);\n" if row == rows[0] else "")
                          for row in rows]}, r"pad has no sample", build=OPS_TEST,
               tests="OpSamples.*")
    yield Case("a gradient without a smooth sample row",
               {SAMPLES: [(row, row.replace("add_smooth", "add")) for row in smooth]},
               r"pad has a gradient but no smooth sample", build=OPS_TEST, tests="OpSamples.*")
    yield Case("a structured op without a naive version",
               {"tests/ops/op_reference.cc": remove("    case OpId::pad:\n")},
               r"op_reference\.cc does not know this op", build=OPS_TEST, tests="All/OpSample.*pad_*")
    yield Case("an op without infer", without_field("src/ops/pad.cc", "kPad", "infer"),
               r".*Expected: \(op\.infer\) != \(nullptr\).*|.*does not infer.*", build=OPS_TEST,
               tests="OpList.*")
    yield Case("an op without documentation", without_field("src/ops/pad.cc", "kPad", "doc"),
               r".*op\.doc.*", build=OPS_TEST, tests="OpList.*")
    yield Case("an op without its inputs", without_field("src/ops/pad.cc", "kPad", "inputs"),
               r"pad has 1 inputs instead of 0", build=OPS_TEST, tests="All/OpSample.*pad_*")
    yield Case("an op without the schema of its attributes", without_field("src/ops/pad.cc", "kPad", "schema"),
               r"pad: attribute low is unknown", build=OPS_TEST, tests="All/OpSample.*pad_*")
    yield Case("an op without its gradient", without_field("src/ops/pad.cc", "kPad", "gradient"),
               r".*\.gradient.*nullptr.*", build=OPS_TEST, tests="All/SmoothOpSample.*pad_*")
    yield Case("a composite without its composition",
               without_field("src/ops/softmax.cc", "kSoftmax", "compose"),
               r".*op\.kind == ir::OpKind::composite.*", build=OPS_TEST, tests="OpList.*")
    yield Case("a view without its layout", without_field("src/ops/view.cc", "kReshape", "view"),
               r".*op\.kind == ir::OpKind::view.*", build=OPS_TEST, tests="OpList.*")
    yield Case("pointwise: struct and list entry without a sample row",
               {POINTWISE: [("struct Sigmoid : OnFloats {", HALVE)],
                LIST: [(LAST_POINTWISE, WITH_HALVE)]},
               r"halve has no sample", build=OPS_TEST, tests="OpSamples.*")


def run(words, seconds=3000):
    """Exit status and all that was said. A process that a signal ends says so."""
    result = subprocess.run(words, cwd=COPY, text=True, errors="replace", timeout=seconds,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    said = result.stdout
    if result.returncode < 0:
        said += f"\nended by signal {-result.returncode}\n"
    return result.returncode, said


class Tree:
    """The copy, with its originals."""

    def __init__(self, jobs):
        self.jobs = str(jobs)
        files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True,
                               capture_output=True, check=True).stdout.split("\n")
        wanted = {name for name in files if name and (ROOT / name).is_file()}
        COPY.mkdir(parents=True, exist_ok=True)
        for path in COPY.rglob("*"):
            relative = path.relative_to(COPY)
            if path.is_file() and relative.parts[0] != "build" and str(relative) not in wanted:
                path.unlink()
        for name in wanted:
            self.put(name, (ROOT / name).read_bytes())
            shutil.copymode(ROOT / name, COPY / name)

    @staticmethod
    def put(name, content):
        path = COPY / name
        if path.exists() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def plant(self, edits):
        for name, changes in edits.items():
            if changes is None:
                (COPY / name).unlink()
                continue
            text = (ROOT / name).read_text()
            for old, new in changes:
                if text.count(old) != 1:
                    sys.exit(f"check_forgetting: {name} does not hold once: {old!r}")
                text = text.replace(old, new)
            self.put(name, text.encode())

    def restore(self, edits):
        for name in edits:
            self.put(name, (ROOT / name).read_bytes())

    def configure(self):
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        status, said = run(["cmake", "--preset", "release", *launcher])
        if status != 0:
            sys.exit(said)

    def build(self, target):
        return run(["cmake", "--build", str(BUILD), "-j", self.jobs, "--target", target])

    @staticmethod
    def test(which):
        return run([str(BUILD / "bin/ops_test"), f"--gtest_filter={which}"])


def first_line(pattern, said):
    for line in said.split("\n"):
        found = re.search(pattern, line)
        if found:
            return re.sub(r"^.*?((?:src|include|tests)/)", r"\1", line.strip())[:200]
    return None


def try_case(tree, case):
    """What caught it, and its line; (None, what was said) when nothing did."""
    if case.layout:
        status, said = run([sys.executable, "tools/check_layout.py"])
        return ("layout" if status != 0 else None), first_line(case.expect, said), said
    status, said = tree.build(case.build)
    if status != 0:
        return "build", None if case.tests else first_line(case.expect, said), said
    if not case.tests:
        return None, None, said
    status, said = tree.test(case.tests)
    return ("test" if status != 0 else None), first_line(case.expect, said), said


def record(path, entry):
    """Puts a case's result into the file, in place of an older one."""
    if not path:
        return
    file = pathlib.Path(path)
    known = json.loads(file.read_text())["cases"] if file.exists() else []
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True,
                            capture_output=True, check=False).stdout.strip()
    entry = {**entry, "commit": commit}
    names = [each["planted"] for each in known]
    if entry["planted"] in names:
        known[names.index(entry["planted"])] = entry
    else:
        known.append(entry)
    file.write_text(json.dumps({"command": "tools/check_forgetting.py", "cases": known}, indent=1,
                               ensure_ascii=False) + "\n")


def positive(tree):
    """A whole pointwise op: its tests exist and pass."""
    edits = {POINTWISE: [("struct Sigmoid : OnFloats {", HALVE)],
             LIST: [(LAST_POINTWISE, WITH_HALVE)],
             SAMPLES: [("{OpId::trunc, 0.1, 0.9}}) {", HALVE_ROW)]}
    start = time.time()
    tree.plant(edits)
    status, said = tree.build(OPS_TEST)
    if status == 0:
        status, said = tree.test("*halve*:OpSamples.*:OpList.*")
    tree.restore(edits)
    found = re.search(r"\[  PASSED  \] (\d+) tests", said)
    passed = int(found.group(1)) if found else 0
    # Two fixed tests, and several for each of the row's shapes.
    good = status == 0 and passed >= 10
    if not good:
        print(said[-3000:])
    added = sum(new.count("\n") - old.count("\n") for c in edits.values() for old, new in c)
    return {"planted": "a whole pointwise op: one struct, one list entry, one sample row",
            "files_changed": sorted(edits), "lines_added": added, "tests_passed": passed,
            "works": good, "seconds": round(time.time() - start, 1)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="cases whose name holds this word")
    parser.add_argument("--json", help="where the results go")
    arguments = parser.parse_args()
    os.environ.setdefault("CCACHE_BASEDIR", str(ROOT))
    os.environ.setdefault("CCACHE_NOHASHDIR", "1")
    tree = Tree(arguments.jobs)
    tree.configure()
    start = time.time()
    status, said = tree.build(OPS_TEST)
    if status != 0:
        sys.exit("check_forgetting: the tree does not build\n" + said[-3000:])
    print(f"check_forgetting: the tree as it is: built in {time.time() - start:.0f} s", flush=True)
    count, failed = 0, 0
    for case in cases():
        if arguments.only not in case.name:
            continue
        start = time.time()
        tree.plant(case.edits)
        caught, line, said = try_case(tree, case)
        tree.restore(case.edits)
        good = caught is not None and line is not None
        failed += 0 if good else 1
        seconds = round(time.time() - start, 1)
        print(f"{'caught' if good else 'MISSED'}: {case.name}: {caught}: {line} ({seconds} s)", flush=True)
        if not good:
            print(said[-2000:])
        count += 1
        record(arguments.json, {"planted": case.name, "files_changed": sorted(case.edits),
                                "caught_by": caught if good else None, "line": line, "seconds": seconds})
    if not arguments.only or arguments.only == "whole":
        whole = positive(tree)
        failed += 0 if whole["works"] else 1
        record(arguments.json, whole)
        print(f"{'works' if whole['works'] else 'FAILED'}: {whole['planted']}: "
              f"{whole['tests_passed']} tests passed ({whole['seconds']} s)", flush=True)
    print(f"check_forgetting: {count} omissions, {failed} problems")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
