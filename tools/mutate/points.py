"""Where CUDA code can be broken: finds the mutants of our own .cu files (with the headers that hold
kernels) and of the text of fused groups, as groups/fused.cuh and tests/golden/cuda have it.

A mutant is a dict: name, kind (barrier, index, mask, race), file, line, what (old -> new), and how it is
made: `start`, `end`, `new` in the file's text, or for fused text `rule`, which compiler.py applies."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CUDA = "src/backend/cuda/"
GOLDEN = "tests/golden/cuda/"


def own_kernels():
    """Of each kernel's file: the source to compile again, and the tests that look at it, named after it."""
    files = {}
    for path in sorted((ROOT / CUDA / "kernels").glob("*.cu")):
        tests = "Cuda" + "".join(word.capitalize() for word in path.stem.split("_")) + ".*"
        if "device/ids.h" in path.read_text():
            tests += ":CudaReports.*"
        files[f"kernels/{path.name}"] = ([path.stem], tests)
    return files


OWN = {
    **own_kernels(),
    # Headers, with the sources that hold what is broken.
    "device/contraction.h": (["matmul"], "CudaMatmul.*"),
    "device/index.h": (["copy"], "CudaCopy.*"),
    "device/ids.h": (["ids", "gather", "segment_sum"], "CudaReports.*:CudaGather.*:CudaSegmentSum.*"),
    "device/ids.cu": (["ids"], "CudaReports.*"),
}
FUSED = {
    "adamw.cu": "*OutputsMayBe*:*TrainingSteps*",
    "bias_relu.cu": "*OutputsMayBe*:*TrainingSteps*",
    "bias_gradient.cu": "*ColumnsOf*:*RowValuesMay*",
    "bias_gradient_chunks.cu": "*ColumnsOf*:*RowValuesMay*",
    "softmax_short.cu": "*RowsOfEveryLength*:*RowValuesMay*",
    "softmax_warp.cu": "*RowsOfEveryLength*:*RowValuesMay*",
    "softmax_block.cu": "*RowsOfSeveral*:*RowValuesMay*",
    "softmax_blocks.cu": "*RowsOfSeveral*:*RowValuesMay*",
    "groups/fused.cuh": "*RowsOfEvery*:*RowsOfSeveral*:*ColumnsOf*:*ReductionsOf*:*Halves*:*Trees*",
}
# The hash in a kernel's name is that of its text.
KERNEL = re.compile(r"fused_([a-z]+)_[0-9a-f]+\(")

# Planted races: file, old, new. Between blocks, but for the last of segment_sum.cu, between threads.
OWN_RACES = [
    ("device/contraction.h", "p.y + product.quotient * p.slice", "p.y + product.quotient / 2 * p.slice"),
    ("device/contraction.h", "product.remainder * p.product_stride;", "product.remainder / 2 * p.product_stride;"),
    ("device/contraction.h", "parts, y, elements, static_cast<int>(slices.count)}", "parts, y, elements, 1}"),
    ("device/contraction.h", "static_cast<int>(product.quotient) * p.slice_depth;",
     "static_cast<int>(product.quotient / 2) * p.slice_depth;"),
    ("device/contraction.h", "static_cast<int>(columns.remainder) * kTile;",
     "static_cast<int>(columns.remainder / 2) * kTile;"),
    ("kernels/copy.cu", "first.remainder * kTile;", "first.remainder / 2 * kTile;"),
    ("kernels/copy.cu", "second.remainder * kTile;", "second.remainder / 2 * kTile;"),
    ("device/index.h", "static_cast<std::int64_t>(blockIdx.x) *",
     "static_cast<std::int64_t>(blockIdx.x / 2) *"),
    ("kernels/segment_sum.cu", "* p.blocks + blockIdx.x] = counts", "* p.blocks + blockIdx.x / 2] = counts"),
    ("kernels/segment_sum.cu", "    launch_items(\"segment_sum: scan\"", "    if (blocks_ < 0) launch_items(\"scan\""),
    ("kernels/segment_sum.cu", "    launch_items(\"segment_sum: counts\"",
     "    if (blocks_ < 0) launch_items(\"counts\""),
    ("kernels/segment_sum.cu", "    launch_items(\"segment_sum: starts\"",
     "    if (blocks_ < 0) launch_items(\"starts\""),
    ("kernels/segment_sum.cu", "    std::uint32_t place = shared.place[digit] + rank;",
     "    std::uint32_t place = shared.place[digit] + rank / 2;"),
    ("kernels/segment_sum.cu", "{rows, spare, count_, shift,", "{rows, rows, count_, shift,"),
    ("kernels/segment_sum.cu", "atomicAdd(&counts.at[digit_of(p.from[i], p.shift)], 1U);",
     "counts.at[digit_of(p.from[i], p.shift)] += 1U;"),
    ("kernels/gather.cu", "    settle_ids(", "    if (count_ < 0) settle_ids("),
    ("device/ids.h", "atomicMin(&slot->key, ", "(void)(slot->key = "),
]
# file, kernel, old (a pattern), new.
FUSED_RACES = [
    ("softmax_blocks.cu", "chunks", r"\[unit\] =", "[unit / 8u * 8u] ="),
    ("softmax_blocks.cu", "chunks", r"blockIdx\.x \*", "(blockIdx.x / 2u) *"),
    ("softmax_blocks.cu", "row", r"^  if \(row >= ", "  if (row + 1000000 >= "),
    ("softmax_block.cu", "rows", r"row = blockIdx\.x", "row = blockIdx.x / 2u"),
    ("softmax_warp.cu", "rows", r"\(unsigned\)blockIdx\.x \*", "(unsigned)(blockIdx.x / 2u) *"),
    ("bias_gradient_chunks.cu", "outer", r"\[chunk \* (\(unsigned\)n\d+) \+ row\] =", r"[chunk / 2u * \g<1> + row] ="),
    ("bias_gradient_chunks.cu", "columns", r"^  if \(!active \|\| part != 0\) return;", "  return;"),
    ("bias_gradient_chunks.cu", "outer", r"(chunk = sinter_divide\(blockIdx\.x, n\d+\))", r"\1 / 2u"),
    ("adamw.cu", "map", r"\(\(unsigned\)blockIdx\.x \*", "((unsigned)(blockIdx.x / 2u) *"),
]


def functions_on_the_device(text):
    """The bodies of __device__ and __global__ functions, as (start, end)."""
    bodies = []
    for found in re.finditer(r"__(?:device|global)__", text):
        if bodies and found.start() < bodies[-1][1]:
            continue
        # The parameters, behind __launch_bounds__ and initialisers, then the body.
        depth, at = 0, found.end()
        while not (depth == 0 and text[at] in "{;"):
            depth += (text[at] == "(") - (text[at] == ")")
            at += 1
        if text[at] == ";":
            continue
        start, depth = at, 0
        while True:
            depth += (text[at] == "{") - (text[at] == "}")
            at += 1
            if depth == 0:
                break
        bodies.append((start, at))
    return bodies


COMMENT = re.compile(r"//[^\n]*")
DECLARATION = re.compile(r"^\s*(?:const )?[A-Za-z_][\w:<>, ]* (?:\w+(?:\[[^\]]*\])+(?:, )?)+(?: = \{.*\})?;$", re.M)
COMPARISON = re.compile(r" (<|<=|>=|>) (0\b)?")
MASK = re.compile(r"0x[fF]{8}[uU]?\b")
# Comparisons of what memory holds, which are no bounds, and the bits of numbers.
DATA = re.compile(r"best\.at|\.at\[i\] <=|p\.limit|a < b|b < a|magnitude|rest > tie|mantissa|\.key <|p\.parts")


def closing(text, at):
    depth = 0
    while True:
        depth += (text[at] == "[") - (text[at] == "]")
        if depth == 0:
            return at
        at += 1


def line_of(text, at):
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return text[start:end if end >= 0 else len(text)]


def wider(operator, zero):
    """The comparison that holds for one index more."""
    if zero and operator in "<>=":
        return {"<": " < -1", ">=": " >= -1", ">": " >= 0"}.get(operator)
    return {"<": " <= ", "<=": " <= 1 + ", ">=": " > ", ">": " >= "}[operator]


def points_in(text):
    """(kind, start, end, new) of each point in device code."""
    skipped = [m.span() for m in COMMENT.finditer(text)] + [m.span() for m in DECLARATION.finditer(text)]
    for start, end in functions_on_the_device(text):
        def mine(found):
            return not any(a <= found.start() < b for a, b in skipped)
        body = lambda pattern: filter(mine, re.compile(pattern).finditer(text, start, end))
        for found in body(r"__sync(?:threads|warp)\([^()]*\);"):
            yield "barrier", found.start(), found.end(), ";"
        for found in filter(mine, MASK.finditer(text, start, end)):
            if re.search(r"_sync\($", text[:found.start()]):
                yield "mask", found.start(), found.end(), "0x7fffffffu"
        for found in filter(mine, COMPARISON.finditer(text, start, end)):
            if not DATA.search(line_of(text, found.start())):
                new = wider(found.group(1), found.group(2))
                if new:
                    yield "index", found.start(), found.end(), new
        for found in body(r"(?<=[\w)\]])\["):
            close = closing(text, found.start())
            yield "index", close, close, " + 1"


def shape_of(line):
    """A pattern for this line of generated text with other numbers and types in it."""
    shape = re.escape(line)
    shape = re.sub(r"\b(?:float|double|int)\b", r"(?:float|double|int|long\\ long)", shape)
    shape = re.sub(r"Sinter(?:Sum|Max|Min|Product)", r"Sinter(?:Sum|Max|Min|Product)", shape)
    return re.sub(r"(?<![\w\\])\d+u?|(?<=[a-z])\d+", r"\\d+(?:u|ll)?", shape)


def own_mutants():
    for name in OWN:
        text = (ROOT / CUDA / name).read_text()
        found = [(kind, a, b, new) for kind, a, b, new in points_in(text)]
        for file, old, new in OWN_RACES:
            if file == name:
                assert text.count(old) == 1, (file, old)
                at = text.index(old)
                found.append(("race", at, at + len(old), new))
        for kind, a, b, new in sorted(set(found), key=lambda point: point[1:]):
            line = text.count("\n", 0, a) + 1
            yield {"kind": kind, "file": CUDA + name, "line": line, "start": a, "end": b, "new": new,
                   "what": changed_line(text, a, b, new)}


def changed_line(text, a, b, new):
    start = text.rfind("\n", 0, a) + 1
    end = text.find("\n", b)
    return f"{text[start:end].strip()}  ->  {(text[start:a] + new + text[b:end]).strip()}"


def fused_mutants():
    known = set()
    for name in FUSED:
        file = (CUDA if "/" in name else GOLDEN) + name
        text = (ROOT / file).read_text()
        kinds = [(m.start(), m.group(1)) for m in KERNEL.finditer(text)]
        starts = [0] + [text.rfind("\n", 0, at) + 1 for at, _ in kinds]
        for kind, a, b, new in sorted(set(points_in(text)), key=lambda point: point[1:]):
            kernel = next((k for at, k in reversed(kinds) if at < a), "")
            begin = max(s for s in starts if s <= a)
            line_start = text.rfind("\n", 0, a) + 1
            line = line_of(text, a)
            shape = shape_of(line) if kernel else re.escape(line)
            earlier = sum(re.fullmatch(shape, each) is not None
                          for each in text[begin:line_start].split("\n"))
            # Which of the places in the line it is.
            places = line_points(line)
            place = places.index((kind, a - line_start, b - line_start, new))
            key = (kernel, shape, earlier, place)
            if key in known:
                continue
            known.add(key)
            yield {"kind": kind, "file": file, "line": text.count("\n", 0, a) + 1,
                   "what": changed_line(text, a, b, new),
                   "rule": {"kernel": kernel, "shape": shape, "skip": earlier, "place": place}}
        for raced, kernel, old, new in FUSED_RACES:
            if raced == name:
                at = next(m for m in re.finditer(old, text, re.M)
                          if next((k for s, k in reversed(kinds) if s < m.start()), "") == kernel)
                yield {"kind": "race", "file": file, "line": text.count("\n", 0, at.start()) + 1,
                       "what": changed_line(text, at.start(), at.end(), at.expand(new)),
                       "rule": {"kernel": kernel, "old": old, "new": new}}


def all_mutants():
    mutants = list(own_mutants()) + list(fused_mutants())
    counts = {}
    for mutant in mutants:
        base = f"{mutant['file']}:{mutant['line']}:{mutant['kind']}"
        counts[base] = counts.get(base, 0) + 1
        mutant["name"] = f"{base}:{counts[base]}"
    return mutants


def apply_rule(text, rule):
    """Generated text with a mutant's rule applied; also how many places it changed."""
    lines = text.split("\n")
    kernel, inside, seen, changed = "", False, 0, 0
    for i, line in enumerate(lines):
        if "struct SinterArguments" in line:
            inside = True
        named = KERNEL.search(line) if "__global__" in line else None
        if named:
            kernel, seen = named.group(1), 0
        if not inside or kernel != rule["kernel"]:
            continue
        if "old" in rule:
            lines[i], count = re.subn(rule["old"], rule["new"], line)
            changed += count
        elif re.fullmatch(rule["shape"], line):
            seen += 1
            if seen == rule["skip"] + 1:
                places = line_points(line)
                _, a, b, new = places[rule["place"]]
                lines[i] = line[:a] + new + line[b:]
                changed += 1
    return "\n".join(lines), changed


def line_points(line):
    """The points of one line of a function's body."""
    head = "__device__ f() {\n"
    tail = "}" * (line.count("{") - line.count("}")) if line.count("{") > line.count("}") else ""
    opening = "{" * max(0, line.count("}") - line.count("{"))
    text = head + opening + line + "\n" + tail + "}"
    offset = len(head) + len(opening)
    return sorted({(k, a - offset, b - offset, n) for k, a, b, n in points_in(text)
                   if offset <= a <= offset + len(line)})
