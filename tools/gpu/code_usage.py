#!/usr/bin/env python3
"""Registers, stack and spills of every CUDA kernel, as the compilers report them: our own .cu files by nvcc for
sm_80 and sm_90a, and the fused groups of whole `mlp` and `cnn` steps by NVRTC. Needs the CUDA toolkit, no GPU.

    tools/gpu/code_usage.py [--build build/release] [--json docs/measurements/cuda_code.json]"""
import argparse
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FUNCTION = re.compile(r"Compiling entry function '(\S+)' for '(\w+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")
GROUP = re.compile(r"^(?:map|inner|outer) +(\(.*?\)) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$")


def run(command, **options):
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, **options)
    if done.returncode != 0:
        sys.exit(f"code_usage: {shlex.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def demangled(name):
    return run(["c++filt", name]).strip()


def own_kernels(build):
    """Compiles each .cu file once more, as the build does, with ptxas's report."""
    kernels = []
    for line in run(["ninja", "-t", "commands", "sinter_cuda"], cwd=build).splitlines():
        found = re.search(r"-c (\S*/backend/cuda/(\S+)\.cu) -o (\S+)", line)
        if not found:
            continue
        # cd FOLDER && [ccache] nvcc ... -MD -MF DEPENDENCIES -c SOURCE -o OBJECT && ...
        command = shlex.split(next(part for part in line.split(" && ") if " -c " in part))
        command = command[next(i for i, word in enumerate(command) if word.endswith("nvcc")):]
        command = [word for word in command[:command.index("-o")] if word != "-MD"]
        if "-MF" in command:
            at = command.index("-MF")
            del command[at:at + 2]
        with tempfile.TemporaryDirectory() as folder:
            command += ["-o", f"{folder}/x.o"]
            report = run(command + ["-Xptxas=-v"], cwd=build)
        current = None
        for text in report.splitlines():
            if found_function := FUNCTION.search(text):
                current = {"file": found.group(2) + ".cu", "kernel": demangled(found_function.group(1)),
                           "architecture": found_function.group(2)}
            elif current and (sizes := STACK.search(text)):
                current["stack_bytes"] = int(sizes.group(1))
                current["spill_bytes"] = int(sizes.group(2)) + int(sizes.group(3))
            elif current and (used := REGISTERS.search(text)):
                kernels.append(current | {"registers": int(used.group(1))})
                current = None
    return kernels


def fused_groups(build, architecture):
    with tempfile.TemporaryDirectory() as folder:
        run([build / "bin/sinter", "bench", "mlp", "cnn", "--seconds", "0.1"],
            env=dict(os.environ, SINTER_DUMP=folder))
        steps = [path for path in sorted(pathlib.Path(folder).glob("*-program.txt"))
                 if not path.name.startswith("eager")]
        report = run([build / "bin/cuda_groups", "--arch", architecture, *steps])
    found = [GROUP.match(line) for line in report.splitlines()]
    return [{"space": m.group(1), "instructions": int(m.group(2)), "blocks": int(m.group(3)),
             "threads": int(m.group(4)), "registers": int(m.group(5)), "stack_bytes": int(m.group(6)),
             "spill_bytes": int(m.group(7)), "shared_bytes": int(m.group(8)), "architecture": architecture}
            for m in found if m]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / "docs/measurements/cuda_code.json")
    options = parser.parse_args()
    build = options.build.resolve()
    run(["cmake", "--build", build, "--target", "sinter_cuda", "sinter_command", "cuda_groups"])
    own = own_kernels(build)
    groups = fused_groups(build, "sm_80") + fused_groups(build, "sm_90a")
    if not own or not groups:
        sys.exit("code_usage: the compilers reported nothing")
    report = {"command": "tools/gpu/code_usage.py", "date": time.strftime("%Y-%m-%d"),
              "commit": run(["git", "describe", "--always", "--dirty"], cwd=ROOT).strip(),
              "own_kernels": own, "fused_groups": groups}
    options.json.write_text(json.dumps(report, indent=1) + "\n")
    for name, rows in (("own kernels", own), ("fused kernels of mlp and cnn", groups)):
        print(f"{len(rows)} {name}: {min(r['registers'] for r in rows)} to {max(r['registers'] for r in rows)} registers, "
              f"{sum(r['spill_bytes'] > 0 for r in rows)} with spills, "
              f"{sum(r['stack_bytes'] > 0 for r in rows)} with a stack")


if __name__ == "__main__":
    main()
