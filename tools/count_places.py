#!/usr/bin/env python3
"""Counts what the design promises to keep small, and can hold it to what was reached.

    tools/count_places.py [--json FILE] [--before FILE]   a table; FILE of an earlier --json gives a column
    tools/count_places.py --check                         exits 1 when something is worse than recorded
    tools/count_places.py --record                        records what is better now; never what is worse

- Domain: lines of src/train, src/recipes, cli and bench that name image, label or accuracy. They should
  know no domain. A recipe's own folder (src/recipes/NAME/), the list of recipes (src/recipes/list.*), the
  metrics' files (metric*.*) and examples in the help (a text with "sinter COMMAND RECIPE") may name them.
- Places: in how many files one thing of a kind is named that must be (an op, a module, a recipe ...),
  counted for an existing example of each. Files that name it because they use it are listed below; a file
  that names it and is not listed counts, so a new list of ops is seen. Comments do not count.
- Size: files over 800 lines and functions over 100 lines.
- Layers: includes that point to the right (tools/check_layout.py).

What was reached is in tools/counted_places.json. It may only shrink: --check also fails when a number is
lower than recorded, until --record has written it down."""
import argparse
import functools
import json
import pathlib
import re
import sys

import check_layout
from cpp_functions import functions, without_comments

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORD = "tools/counted_places.json"
MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 100

DOMAIN_FOLDERS = ("src/train", "src/recipes", "cli", "bench")
DOMAIN_WORDS = re.compile(r"image|label|accuracy", re.I)
HELP_EXAMPLE = re.compile(r"sinter (train|eval|predict|compare|sweep|profile|serve|export|info) ")
# Where a word means something else.
OTHER_MEANINGS = {
    "bench/cuda_bench.cc": "image",    # a module's machine code
    "bench/cuda_groups.cc": "image",   # likewise
    "bench/fused_bench.cc": "label",   # where a jump goes
    "cli/bench_report.cc": "label",    # a group's name
}


class Example:
    """One thing of a kind: the pattern that names it, files that only use it, test rows that it must have."""

    def __init__(self, kind, name, pattern, uses=(), rows=()):
        self.kind, self.name = kind, name
        self.pattern, self.uses, self.rows = re.compile(pattern), set(uses), rows


ROWS_OF_OPS = ("tests/ops/op_samples.cc", "tests/ops/op_reference.cc")
# Of several examples of a kind the first one that is there counts.
EXAMPLES = [
    Example("pointwise op", "gelu_tanh", r"\b(GeluTanh|gelu_tanh)\b", rows=ROWS_OF_OPS),
    Example("composition", "layer_norm", r"\b(kLayerNorm|layer_norm)\b",
            uses=("include/sinter/nn.h", "src/nn/norm.cc", "src/nn/layer_norm.cc"), rows=ROWS_OF_OPS),
    Example("composition", "batch_norm", r"\b(kBatchNorm|batch_norm)\b",
            uses=("include/sinter/nn.h", "src/nn/norm.cc"), rows=ROWS_OF_OPS),
    Example("structured op", "cumsum", r"\b(kCumsum\w*|cumsum\w*|Cumsum\w*)\b", rows=ROWS_OF_OPS),
    Example("structured op", "segment_sum", r"\b(kSegmentSum\w*|segment_sum\w*|SegmentSum\w*)\b",
            uses=("src/ops/gather.cc", "src/backend/cuda/backend.cc"), rows=ROWS_OF_OPS),
    Example("module", "Dropout", r"\bDropout\b|\bdropout\.cc\b",
            uses=("src/recipes/image/model.cc", "src/recipes/tabular/model.cc")),
    Example("optimizer", "SGD", r"\bSGD\b|\bsgd\.cc\b"),
    Example("recipe", "tabular", r"tabular", uses=()),
    Example("recipe", "image", r"(?i)\bimage|labels?\b|accuracy|src/recipes/image"),
    Example("subcommand", "eval", r"\bEvalCommand\b|\beval\.cc\b"),
    Example("pass", "trim_scans", r"\btrim_scans\b", rows=("tests/golden/passes.txt",)),
]
# A recipe's places are looked for in the folders that should know none.
FOLDERS_OF_KIND = {"recipe": ("src/train", "src/recipes", "cli")}
FOLDERS = ("include", "src", "cli", "cmake")


def sources(root, folders, names=()):
    """The C++ files in folders, and other files of the names given."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and (path.suffix in check_layout.SOURCES or path.name in names):
                yield path


def text_of(path):
    return path.read_text(errors="replace")


def knows_no_domain(place):
    """Whether a file of DOMAIN_FOLDERS has to."""
    parts = pathlib.PurePath(place).parts
    own = parts[:2] == ("src", "recipes") and (len(parts) > 3 or parts[2].startswith("list."))
    return not own and not parts[-1].startswith("metric")


def count_domain(root):
    """Lines that name a domain, by folder and by file."""
    files = {}
    for path in sources(root, DOMAIN_FOLDERS):
        place = str(path.relative_to(root))
        if not knows_no_domain(place):
            continue
        meaning = OTHER_MEANINGS.get(place)
        for line in text_of(path).splitlines():
            words = {word.lower() for word in DOMAIN_WORDS.findall(line)} - {meaning}
            if words and not HELP_EXAMPLE.search(line):
                files[place] = files.get(place, 0) + 1
    folders = {folder: sum(n for place, n in files.items() if place.startswith(folder + "/"))
               for folder in DOMAIN_FOLDERS}
    return folders, files


@functools.lru_cache(maxsize=None)
def code_of(text, is_cmake):
    return re.sub(r"#.*", "", text) if is_cmake else without_comments(text)


def places_of(root, example):
    """Files in which the example must be named, and its test rows; None when it is not there."""
    folders = FOLDERS_OF_KIND.get(example.kind, FOLDERS)
    naming = {str(path.relative_to(root)) for path in sources(root, folders, ("CMakeLists.txt",))
              if example.pattern.search(text := text_of(path)) and
              example.pattern.search(code_of(text, path.suffix == ".txt")) or path.stem == example.name}
    if not naming:
        return None
    rows = [row for row in example.rows
            if (root / row).exists() and example.pattern.search(text_of(root / row))]
    return sorted(naming - example.uses), rows


def count_places(root):
    counted = {}
    for example in EXAMPLES:
        if example.kind in counted:
            continue
        found = places_of(root, example)
        if found is not None:
            counted[example.kind] = {"example": example.name, "files": found[0], "rows": found[1]}
    return counted


@functools.lru_cache(maxsize=None)
def functions_of(text, place):
    return functions(text, place)


def count_size(root):
    """The longest files and functions, and those that are too long."""
    lengths, long_files, long_functions = {}, [], []
    for path in sources(root, ("include", "src", "cli", "tests", "bench", "examples", "tools")):
        place, text = str(path.relative_to(root)), text_of(path)
        lines = text.count("\n")
        if lines > MAX_FILE_LINES:
            long_files.append(f"{place}: {lines} lines")
        for name, first, last in functions_of(text, place):
            lengths[f"{place}:{first}: {name}"] = last - first + 1
            if last - first + 1 > MAX_FUNCTION_LINES:
                long_functions.append(f"{place}:{first}: {name}: {last - first + 1} lines")
    return lengths, long_files, long_functions


def upward_includes(root):
    return [problem for problem in check_layout.check(root)
            if "may not include" in problem or "stands to its right" in problem]


def measure(root):
    domain, domain_files = count_domain(root)
    places = count_places(root)
    lengths, long_files, long_functions = count_size(root)
    longest = sorted(lengths.items(), key=lambda item: -item[1])[:3]
    return {
        "domain": domain, "domain_files": domain_files, "places": places,
        "functions": {"count": len(lengths), "over_80": sum(n > 80 for n in lengths.values()),
                      "over_100": len(long_functions), "longest": [f"{name} ({n})" for name, n in longest]},
        "long_functions": long_functions, "long_files": long_files, "upward": upward_includes(root),
    }


def numbers(measured):
    """What is recorded: a name and a number each."""
    result = {f"domain lines, {folder}": count for folder, count in measured["domain"].items()}
    for kind, found in measured["places"].items():
        result[f"places, {kind}"] = len(found["files"])
    result["functions over 100 lines"] = len(measured["long_functions"])
    result["files over 800 lines"] = len(measured["long_files"])
    result["upward includes"] = len(measured["upward"])
    return result


def print_table(measured, before):
    now = numbers(measured)
    earlier = numbers(before) if before else None
    width = max(map(len, now)) + 2
    print(f"{'':<{width}}{'before' if earlier else '':>8}{'now':>6}")
    for name, number in now.items():
        old = earlier.get(name, "-") if earlier else ""
        print(f"{name:<{width}}{old:>8}{number:>6}{detail(name, measured)}")
    print(f"\n{measured['functions']['count']} functions; longest: {'; '.join(measured['functions']['longest'])}")


def detail(name, measured):
    kind = name.removeprefix("places, ")
    found = measured["places"].get(kind)
    if found is None:
        return ""
    rows = f" (+ {len(found['rows'])} test rows)" if found["rows"] else ""
    return f"  {found['example']}{rows}: {', '.join(found['files'])}"


def compare_with_record(now, recorded):
    """What is worse than recorded, and what is better."""
    worse = [f"{name}: {number}, recorded {recorded.get(name, 0)}"
             for name, number in now.items() if number > recorded.get(name, 0)]
    better = [f"{name}: {number}, recorded {recorded[name]}"
              for name, number in now.items() if number < recorded.get(name, 0)]
    better += [f"{name}: no longer counted" for name in recorded if name not in now]
    return worse, better


def where(measured):
    """The lines and files behind numbers that got worse."""
    for place, count in measured["domain_files"].items():
        print(f"  {place}: {count} lines name a domain")
    for problem in measured["long_functions"] + measured["long_files"] + measured["upward"]:
        print(f"  {problem}")
    for kind, found in measured["places"].items():
        print(f"  {kind} ({found['example']}): {', '.join(found['files'])}")


def main(arguments=None, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path, help="write all that was counted")
    parser.add_argument("--before", type=pathlib.Path, help="an earlier --json, for a column beside")
    parser.add_argument("--check", action="store_true", help="fail when something differs from the record")
    parser.add_argument("--record", action="store_true", help="record what is better")
    options = parser.parse_args(arguments)
    measured = measure(root)
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1) + "\n")
    if not options.check and not options.record:
        print_table(measured, json.loads(options.before.read_text()) if options.before else None)
        return 0
    record = root / RECORD
    recorded = json.loads(record.read_text()) if record.exists() else None
    worse, better = compare_with_record(numbers(measured), recorded or {})
    if recorded is None and options.record:
        worse = []
    for problem in worse:
        print(f"worse than recorded: {problem}")
    if worse:
        where(measured)
        return 1
    if options.record:
        record.write_text(json.dumps(numbers(measured), indent=1) + "\n")
        return 0
    for problem in better:
        print(f"better than recorded: {problem}; tools/count_places.py --record keeps it")
    return 1 if better else 0


if __name__ == "__main__":
    sys.exit(main())
