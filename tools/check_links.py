#!/usr/bin/env python3
"""Checks on what was built that layers call to the left only; prints every violation and exits 1 when there
is one.

    tools/check_links.py [BUILD]        BUILD: build/release unless given

Headers are not all: a function may be declared in a layer and defined to its right, and the linker finds it.
That happens at two places, which docs/design.md (section 0) gives the reasons for and TO_THE_RIGHT names. So
the symbols of each layer's objects are read (`nm`): what one needs and what stands neither in the layer nor
to its left, but to its right, must be one of these two; and both must still be there."""
import functools
import pathlib
import subprocess
import sys

from check_layout import LAYERS, rank

TO_THE_RIGHT = {
    ("tensor", "sinter::make_eager_program(sinter::ir::Graph const&)"),
    ("ops", "sinter::ops::scan_gradient(sinter::ir::GradientCall const&)"),
}


def objects_of(build):
    """The objects of each layer there is, in the order of layers."""
    found = {layer: sorted(build.glob(f"**/CMakeFiles/sinter_{layer}.dir/**/*.o")) for layer in LAYERS}
    return {layer: objects for layer, objects in found.items() if objects}


@functools.cache
def symbols(objects):
    """The names that the objects define and those that they need."""
    listed = subprocess.run(["nm", "-P", *objects], check=True, capture_output=True, text=True).stdout
    defined, needed = set(), set()
    for line in listed.splitlines():
        parts = line.split()
        if len(parts) < 2 or len(parts[1]) != 1:  # the name of an object
            continue
        name, kind = parts[:2]
        if kind in "Uvw":
            needed.add(name)
        elif kind.isupper() or kind == "u":  # lower case: seen in its own object only
            defined.add(name)
    return defined, needed - defined


def readable(names):
    names = list(names)
    text = subprocess.run(["c++filt"], input="\n".join(names), check=True, capture_output=True, text=True).stdout
    return dict(zip(names, text.splitlines()))


def calls_to_the_right(objects):
    """(layer, symbol, the layer that defines it) for each need that only a layer to the right meets."""
    tables = {layer: symbols(tuple(found)) for layer, found in objects.items()}
    calls = []
    for layer, (_, needed) in tables.items():
        reachable, beyond = set(), {}
        for other, (defined, _) in tables.items():
            if rank(other) < rank(layer) or other == layer:
                reachable |= defined
            else:
                beyond.update(dict.fromkeys(defined, other))
        calls += [(layer, name, beyond[name]) for name in sorted(needed - reachable) if name in beyond]
    names = readable(name for _, name, _ in calls)
    return [(layer, names[name], other) for layer, name, other in calls]


def check(objects):
    missing = [layer for layer in LAYERS if layer != "serve" and layer not in objects]
    if missing:
        return [f"no objects of {', '.join(missing)}: the whole library must have been built"]
    calls = calls_to_the_right(objects)
    problems = [f"{layer} calls {name}, which stands to its right, in {other}"
                for layer, name, other in calls if (layer, name) not in TO_THE_RIGHT]
    gone = TO_THE_RIGHT - {(layer, name) for layer, name, _ in calls}
    return problems + [f"{layer} no longer calls {name}: TO_THE_RIGHT names it" for layer, name in sorted(gone)]


if __name__ == "__main__":
    found = check(objects_of(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/release").resolve()))
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)
