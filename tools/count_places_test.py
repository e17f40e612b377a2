#!/usr/bin/env python3
"""count_places.py sees what is planted in a copy of the sources, and holds it to what is recorded;
cpp_functions.py finds functions whatever stands between their braces."""
import contextlib
import io
import json
import pathlib
import shutil
import sys
import tempfile

import count_places
from cpp_functions import functions

ROOT = pathlib.Path(__file__).resolve().parent.parent

CODE = r'''
#include <x>
#define BODY(x) { if (x) { return 1; }
namespace a::b {
struct alignas(8) S : T<decltype(f())> {
  S(int x) noexcept : x_(x), y_{2}, z_{f({1, 2})} {
    g();
  }
  explicit S(const U& u)
      : x_(u.x),
        y_{3} {}
  ~S() { h("}}{"); }
  bool operator()(int) const { return '{' == 1'000; }
  S& operator=(const S&) = default;
  int values[2] = {1, 2};
  void g(T x = {}, U u = U{1}) {
  }
  Fn fn = [](int x) {
    return x;
  };
 private:
  int y_ = {0};
};
// {{{ /* {
/* { */
template <class T, int N = sizeof(int)>
auto raw(T t) -> std::vector<T> {
  const char* text = R"json({ "a": "}" )json";
  const auto inner = [&](int y) {
    if (y) {
      return Point{1, 2};
    }
  };
  struct Local { int f() { return 1; } };
  return {text};
}
constinit const Op kOp = {
    .name = "op",
    .infer = [](const Call& call) {
      return call.x;
    },
    .cost = cost_of,
};
enum class E : std::uint8_t { a, b };
extern "C" {
int c_function(void) { return 0; }
}
}  // namespace a::b
'''
EXPECTED = [("S", 6, 8), ("S", 9, 11), ("~S", 12, 12), ("operator()", 13, 13), ("g", 16, 17), ("lambda", 18, 20),
            ("raw", 26, 36), ("lambda", 39, 41), ("c_function", 46, 46)]

LONG_FUNCTION = "int planted() {\n" + "  f();\n" * 99 + "}\n"


def check_functions():
    found = [(first, last) for _, first, last in sorted(functions(CODE), key=lambda row: row[1])]
    expected = [(first, last) for _, first, last in EXPECTED]
    if found != expected:
        yield f"functions: found {found}, expected {expected}"
    names = [name for name, _, _ in sorted(functions(CODE), key=lambda row: row[1])]
    for (expected_name, _, _), name in zip(EXPECTED, names):
        if expected_name != "lambda" and not name.endswith(expected_name):
            yield f"functions: the name {name}, expected {expected_name}"
    for broken in ("int f() {", "}"):
        try:
            functions(broken, "x.cc")
            yield f"functions: {broken!r} passed"
        except ValueError as error:
            if "x.cc:1" not in str(error):
                yield f"functions: {error}"


# (file, text appended, the number that grows by one); {} is the name of the example that is counted.
PLANTED = [
    ("cli/train.cc", "// accuracy\n", "domain lines, cli"),
    ("src/train/trainer.cc", "// of Images\n", "domain lines, src/train"),
    ("src/recipes/run.cc", 'const char* kText = "labels";\n', "domain lines, src/recipes"),
    ("bench/kernels_bench.cc", "// an image\n", "domain lines, bench"),
    ("src/backend/cpu/groups/group_kernel.h", "int {};\n", "places, structured op"),
    ("src/compile/trace.h", "int {};\n", "places, composition"),
    ("src/ops/list.h", "int {};\n", "places, pointwise op"),
    ("src/nn/module.cc", "int {};\n", "places, module"),
    ("src/optim/adamw.cc", "int {};\n", "places, optimizer"),
    ("cli/main.cc", "EvalCommand command;\n", "places, subcommand"),
    ("src/compile/plan.cc", "int {};\n", "places, pass"),
    ("src/ir/type.cc", LONG_FUNCTION, "functions over 100 lines"),
    ("src/ir/type.cc", "\n" * 801, "files over 800 lines"),
    ("src/ir/type.cc", '#include "tensor/apply.h"\n', "upward includes"),
]
# Neither is a recipe's own file, nor the metrics', nor an example of the help.
UNCOUNTED = [
    ("src/recipes/sound/model.cc", "// image\n"),
    ("src/recipes/list.cc", "// image\n"),
    ("src/train/metric.cc", "// accuracy\n"),
    ("cli/train.cc", 'const char* kExample = "sinter train image --out run";\n'),
    ("cli/bench_report.cc", "// label\n"),
    ("src/compile/plan.cc", "// trim_scans /* */\n/* segment_sum\nDropout */\n"),
    ("src/ir/type.cc", LONG_FUNCTION.replace("  f();\n", "", 1)),
]


def copied(folder):
    copy = pathlib.Path(folder)
    for part in ("include", "src", "cli", "bench", "tests", "examples", "tools", "cmake"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", copy)
    return copy


@contextlib.contextmanager
def planted(root, file, text):
    path = root / file
    before = path.read_text() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((before or "") + text)
    yield
    if before is None:
        path.unlink()
    else:
        path.write_text(before)


def status(root, *words):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        return count_places.main(list(words), root), text.getvalue()


def check_planted(root):
    measured = count_places.measure(root)
    before = count_places.numbers(measured)
    for file, text, name in PLANTED:
        kind = name.removeprefix("places, ")
        if kind in measured["places"]:
            text = text.replace("{}", measured["places"][kind]["example"])
        with planted(root, file, text):
            grown = count_places.numbers(count_places.measure(root)).get(name, 0) - before.get(name, 0)
            if grown != 1:
                yield f"planted in {file}: '{name}' grew by {grown}"
    for file, text in UNCOUNTED:
        with planted(root, file, text):
            now = count_places.numbers(count_places.measure(root))
            changed = [name for name in now if now[name] != before[name] and name != "places, recipe"]
            if changed:
                yield f"planted in {file}: other numbers: {changed}"


def check_record(root):
    """--check takes what is recorded only; --record writes what is better and refuses what is worse."""
    record = root / count_places.RECORD
    record.unlink(missing_ok=True)
    steps = [("--record", 0, ""), ("--check", 0, "")]
    for word, expected, says in steps:
        found, text = status(root, word)
        if found != expected or says not in text:
            yield f"{word}: status {found}: {text}"
    kept = record.read_text()
    with planted(root, "cli/predict.cc", "// image\n"):
        for word in ("--check", "--record"):
            found, text = status(root, word)
            if found != 1 or "worse than recorded: domain lines, cli" not in text or record.read_text() != kept:
                yield f"{word} with a worse number: status {found}: {text}"
        larger = json.loads(kept)
        larger["domain lines, cli"] += 2
        record.write_text(json.dumps(larger))
        found, text = status(root, "--check")
        if found != 1 or "better than recorded: domain lines, cli" not in text:
            yield f"--check with a better number: status {found}: {text}"
        if status(root, "--record")[0] != 0 or status(root, "--check")[0] != 0:
            yield "--record did not keep a better number"


def check_table(root):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "before.json"
        status(root, "--json", str(file))
        earlier = json.loads(file.read_text())
        earlier["places"]["module"]["files"] = ["a"] * 77
        file.write_text(json.dumps(earlier))
        _, text = status(root, "--before", str(file))
        if not any(line.startswith("places, module") and " 77 " in line for line in text.splitlines()):
            yield f"no column before: {text}"


def main():
    failures = list(check_functions())
    with tempfile.TemporaryDirectory() as folder:
        root = copied(folder)
        for check in (check_planted, check_record, check_table):
            failures += check(root)
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
