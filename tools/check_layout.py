#!/usr/bin/env python3
"""Checks what the layout of the project promises; prints every violation and exits 1 when there is one.

- Dependencies point one way: a file includes only what stands to the left of its folder in LAYERS, and a
  folder's CMake target links only what stands there; whoever stands to the right of CORE's layers links
  them as their one library. (What the objects call, check_links.py reads.)
- A structured op's files share their stem: every op with a kernel in src/ir/op_list.h is defined in src/ops,
  its kernels in the folders of both back ends, in files of one stem.
- A layer's test program links that layer (or its library) and what stands to its left (or beside it) only.
- The program in README.md is examples/hello.cc; C++ and CMake shown in README.md and docs/ are parts of
  files that the tests build.
- <sinter/sinter.h> includes every public header.
- What oneDNN 2 and 3 name differently is named under #if DNNL_VERSION_MAJOR alone: a build sees one of them.
- No file over 800 lines, no line over 100 columns (the formatter leaves comments alone), no left-over
  marks, no headers that the supported compilers lack, header guards named after their path, macros only
  from the allowed list."""
import pathlib
import re
import sys

LAYERS = ["base", "ir", "backend", "tensor", "ops", "autograd", "compile",
          "nn", "optim", "data", "io", "train", "recipes", "serve", "cli"]
# These four do not depend on each other in the chain, but io reads modules and data sets.
SAME_RANK = {"nn", "optim", "data"}
# The layers of sinter_core, one library (docs/design.md says why).
CORE = ["tensor", "ops", "autograd", "compile"]
# Which layer a public header belongs to.
PUBLIC = {
    "dtype.h": "base", "error.h": "base", "shape.h": "base",
    "cost.h": "ir", "pointwise_list.h": "ir", "machine.h": "backend", "system.h": "backend",
    "tensor.h": "tensor", "print.h": "tensor", "state_arena.h": "tensor", "state_scope.h": "tensor",
    "view.h": "tensor",
    "file_layout.h": "ops", "ops.h": "ops", "named_state.h": "autograd", "random.h": "ops", "scan.h": "compile",
    "autograd.h": "autograd", "compile.h": "compile",
    "module.h": "nn", "nn.h": "nn", "optim.h": "optim", "io.h": "io",
    "batch.h": "data", "collate.h": "data", "data.h": "data", "images.h": "data", "table.h": "data",
    "config.h": "train", "metric.h": "train", "predictor.h": "train", "recipe.h": "train",
    "run.h": "train", "settings.h": "train", "step.h": "train", "train.h": "train",
    "recipes.h": "recipes", "command.h": "cli", "sinter.h": "cli",
}
# What layers above compile may include besides public headers.
INNER_FOR_ALL = {"base"}
# Tests of whole compiled steps need networks, optimizers and batches.
ALLOWED_TEST_LINKS = {("compile", "nn"), ("compile", "optim"), ("compile", "data")}
MAX_LINES = 800
MAX_COLUMNS = 100
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
FORBIDDEN = re.compile(r"#include <(format|ranges|source_location)>")
ALLOWED_MACROS = re.compile(r"^SINTER_(POINTWISE_OPS|STRUCTURED_OPS|OP_ID|(NO_)?KERNEL|DECLARE_\w+|UNARY|BINARY|TERNARY|ENTRY|OPERATOR|"
                            r"ANYWHERE|COUNTS_ALLOCATIONS|SHARED|DYNAMIC_SHARED|CUDA_EMULATED|EMULATED_[A-Z_]+|"
                            r"[A-Z0-9_]+_(CU)?H_)$")
# CUDA's own words, which the emulation's headers define.
CUDA_WORDS = re.compile(r"^(__\w+__|__trap|threadIdx|blockIdx|blockDim|gridDim|CUDART_VERSION)$")
CUDA_WORDS_FOLDER = "src/backend/cuda/emulated/include/"
ONEDNN_FOLDER = "src/backend/cpu/"
ONEDNN_VERSIONED = re.compile(r"\.(get_)?(dims|strides|data_type|format_kind|inner_blks)\(\)|set_data_handle|::desc\(arguments")
SOURCES = (".h", ".cc", ".cu", ".cuh")


def rank(layer):
    return LAYERS.index("nn") if layer in SAME_RANK else LAYERS.index(layer)


def layer_of(path, root):
    parts = path.relative_to(root).parts
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[0] == "include":
        return PUBLIC.get(path.name)
    if parts[0] == "cli":
        return "cli"
    return None


def check_includes(path, root, text, layer):
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'#include "([^"]+)"', line)
        if not found:
            continue
        target = found.group(1)
        place = f"{path.relative_to(root)}:{number}"
        if target.startswith("sinter/"):
            name = target.split("/")[-1]
            included = PUBLIC.get(name)
            if included is None:
                yield f"{place}: {target} has no layer in tools/check_layout.py"
                continue
            inner = False
        else:
            included = target.split("/")[0]
            inner = True
            if included not in LAYERS:
                continue
        if layer is None or included == layer:
            continue
        if rank(included) >= rank(layer):
            yield f"{place}: {layer} may not include {target} ({included} stands to its right)"
        if inner and rank(layer) > rank("compile") and rank(included) <= rank("compile") \
                and included not in INNER_FOR_ALL:
            yield f"{place}: {layer} may include public headers only, not {target}"


def check_file(path, root):
    text = path.read_text()
    lines = text.splitlines()
    place = path.relative_to(root)
    if len(lines) > MAX_LINES:
        yield f"{place}: {len(lines)} lines, more than {MAX_LINES}"
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS and not str(place).startswith("tests/golden/"):
            yield f"{place}:{number}: {len(line)} columns, more than {MAX_COLUMNS}"
        if MARKS.search(line):
            yield f"{place}:{number}: left-over mark"
        if FORBIDDEN.search(line):
            yield f"{place}:{number}: a header that a supported compiler lacks"
        macro = re.match(r"\s*#\s*define\s+(\w+)", line)
        allowed = macro and (ALLOWED_MACROS.match(macro.group(1)) or
                             str(place).startswith(CUDA_WORDS_FOLDER) and CUDA_WORDS.match(macro.group(1)))
        if macro and not allowed:
            yield f"{place}:{number}: macro {macro.group(1)} is not in the allowed list"
    if str(place).startswith(ONEDNN_FOLDER):
        versioned = False
        for number, line in enumerate(lines, 1):
            if line.startswith("#"):
                versioned = "DNNL_VERSION_MAJOR" in line or versioned and not line.startswith("#endif")
            elif not versioned and ONEDNN_VERSIONED.search(line):
                yield f"{place}:{number}: oneDNN 2 and 3 have other names for this; see vendor/onednn.h"
    if path.suffix in (".h", ".cuh"):
        relative = place.relative_to(place.parts[0]) if place.parts[0] in ("include", "src") else place
        guard = re.sub(r"[^A-Z0-9]", "_", str(relative).upper()) + "_"
        guard = guard if guard.startswith("SINTER_") else "SINTER_" + guard
        if f"#ifndef {guard}" not in text:
            yield f"{place}: the header guard is not {guard}"
    yield from check_includes(path, root, text, layer_of(path, root))


def check_links(path, root):
    """A folder's target links only layers to its left."""
    layer = path.parent.name
    for library in re.findall(r"\bsinter_(\w+)", path.read_text()):
        name = CORE[-1] if library == "core" else library
        if name not in LAYERS or layer not in LAYERS:
            continue
        if name != layer and rank(name) >= rank(layer):
            yield f"{path.relative_to(root)}: {layer} links {library}, which stands to its right"
        elif library in CORE and layer not in CORE:
            yield f"{path.relative_to(root)}: {layer} links {library}, a part of sinter_core, by itself"


def check_test_links(path, root):
    """A layer's test links that layer and what stands to its left or beside it."""
    layer = path.parent.name
    text = re.sub(r"#.*", "", path.read_text())
    for library in re.findall(r"\bsinter_(\w+)", text):
        name = CORE[0] if library == "core" else library
        if name not in LAYERS or layer not in LAYERS:
            continue
        if (layer, name) in ALLOWED_TEST_LINKS:
            continue
        if rank(name) > rank(layer):
            yield f"{path.relative_to(root)}: the test of {layer} links {library}, which stands to its right"


def check_readme(root):
    readme, example = root / "README.md", root / "examples/hello.cc"
    if readme.exists() and example.read_text().rstrip() not in readme.read_text():
        yield "README.md: the program shown is not examples/hello.cc"


def check_whole(root):
    """sinter.h has every public header, but for lists that others include."""
    whole = (root / "include/sinter/sinter.h").read_text()
    for path in sorted((root / "include/sinter").glob("*.h")):
        if path.name not in ("sinter.h", "pointwise_list.h") and f'"sinter/{path.name}"' not in whole:
            yield f"include/sinter/sinter.h: {path.name} is missing"


def without_indentation(text):
    return "\n" + re.sub(r"(?m)^ +", "", text)


def check_quotes(root):
    """What the documents show is a run of lines of an example, its indentation aside."""
    paths = [*root.glob("examples/*.cc"), *root.glob("tests/install/*/CMakeLists.txt")]
    built = [without_indentation(path.read_text()) for path in paths]
    for document in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        if document.name == "ops.md":  # made from the headers, which a test of its own compares
            continue
        if not document.exists():
            continue
        for quote in re.findall(r"^```(?:cpp|cmake)\n(.*?)^```$", document.read_text(), re.M | re.S):
            if not any(without_indentation(quote) in text for text in built):
                first = quote.strip().splitlines()[0]
                yield f"{document.relative_to(root)}: no file that is built has what is shown from '{first}' on"


# Where an op with a kernel is defined: folder, suffix, and how the definition begins.
DEFINITIONS = (("src/ops", "cc", "constinit const ir::Op"),
               ("src/backend/cpu/kernels", "cc", "const Kernel"),
               ("src/backend/cuda/kernels", "cu", "const Kernel"))


def defined_in(folder, suffix, begins):
    """The stem of the file that defines each constant."""
    return {name: path.stem for path in sorted(folder.glob(f"*.{suffix}"))
            for name in re.findall(rf"^{begins} (\w+)", path.read_text(), re.M)}


def check_stems(root):
    """The files of an op with a kernel share their stem."""
    ops = root / "src/ir/op_list.h"
    if not ops.exists():
        return
    stems = [defined_in(root / folder, suffix, begins) for folder, suffix, begins in DEFINITIONS]
    for name in re.findall(r"^  kernel\((\w+), \w+\)", ops.read_text(), re.M):
        found = [each.get("k" + name) for each in stems]
        for stem, (folder, suffix, begins) in zip(found, DEFINITIONS):
            if stem is None:
                yield f"{folder}: no .{suffix} file defines '{begins} k{name}', which src/ir/op_list.h lists"
        if None not in found and len(set(found)) > 1:
            yield f"k{name}: a structured op's files share their stem, these are {', '.join(found)}"


def check(root):
    problems = []
    for folder in ("include", "src", "cli", "tests", "bench", "examples", "tools"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCES:
                problems += check_file(path, root)
    for path in sorted((root / "src").glob("*/CMakeLists.txt")):
        problems += check_links(path, root)
    for path in sorted((root / "tests").glob("*/CMakeLists.txt")):
        problems += check_test_links(path, root)
    return problems + list(check_stems(root)) + list(check_readme(root)) + list(check_quotes(root)) \
        + list(check_whole(root))


if __name__ == "__main__":
    found = check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)
