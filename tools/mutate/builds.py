"""Builds and runs one mutant. The build folders of the three presets stay as they are: a mutant's sources
are compiled from a folder of its own that stands first on the include path, and linked, together with the
objects that are there, into a library of its own, which the tests take by SINTER_CUDA_LIBRARY. So a
mutant costs one compilation, one link and a test."""
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import time

import points

ROOT = points.ROOT
PRESETS = ["release", "asan", "tsan"]
LIBRARY = "lib/libsinter_cuda_emulated.so"
WORK = ROOT / "build/mutants"
TOOLS = pathlib.Path(__file__).resolve().parent
# Of a test's processor time, above the longest by far: a machine that is busy, or a test that was stopped
# for a while, must not look like a mutant that was found.
SECONDS = int(os.environ.get("SINTER_MUTANT_SECONDS", "90"))
# For what waits and computes nothing.
MOST_SECONDS = 7200
# What each build and test goes through, such as "nice -n 19".
PREFIX = shlex.split(os.environ.get("SINTER_MUTANT_PREFIX", ""))
REPORT = re.compile(r"SUMMARY: \w+Sanitizer: [\w-]+|AddressSanitizer: [\w-]+|ThreadSanitizer: [\w ]+"
                    r"|runtime error: .*|block \(\d.*|The second run differs|the \w+ was overrun"
                    r"|the CPU's bits differ|the second run differs|Failure")


def call(command, environment=None, cwd=ROOT, seconds=MOST_SECONDS):
    """(status, output); status None: it took too long, and was ended with what it had started."""
    process = subprocess.Popen(PREFIX + command, cwd=cwd, env=environment, text=True, errors="replace",
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return None, process.communicate()[0]


class Build:
    """The commands with which a preset's build folder makes the library."""

    def __init__(self, preset):
        self.preset, self.folder = preset, ROOT / "build" / preset
        status, text = call(["ninja", "-t", "commands", "sinter_cuda_emulated"], cwd=self.folder)
        assert status == 0, text
        lines = text.splitlines()
        self.compile = {}
        for line in lines:
            found = re.search(r"-c \S*/backend/cuda/(\S+)\.cu$", line)
            if found:
                self.compile[pathlib.Path(found.group(1)).name] = self._plain(line)
        self.link = self._plain(next(line for line in lines if f"-o {LIBRARY}" in line))

    @staticmethod
    def _plain(line):
        words = shlex.split(line)
        words = [word for word in words if not word.endswith("ccache") and word not in (":", "&&", "-MD")]
        for option in ("-MT", "-MF"):  # the folder's own dependencies stay
            if option in words:
                at = words.index(option)
                del words[at:at + 2]
        return words

    def library_of(self, mutant, folder):
        """The library with the mutant in it: its path, or None and what the compiler said."""
        text = (ROOT / mutant["file"]).read_text()
        broken = text[:mutant["start"]] + mutant["new"] + text[mutant["end"]:]
        place = folder / mutant["file"]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(broken)
        objects, replaced = [], []
        for stem in points.OWN[mutant["file"][len(points.CUDA):]][0]:
            command = list(self.compile[stem])
            source = command[command.index("-c") + 1]
            relative = source[source.index("src/backend/cuda/"):]
            if relative == mutant["file"]:
                command[command.index("-c") + 1] = str(place)
            elif not (ROOT / mutant["file"]).name.endswith(".cu"):
                copy = folder / relative  # beside the header, though it is found by the include path
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / relative, copy)
                command[command.index("-c") + 1] = str(copy)
            made = folder / f"{self.preset}-{stem}.o"
            replaced.append(command[command.index("-o") + 1])
            command[command.index("-o") + 1] = str(made)
            command[1:1] = ["-w", f"-I{folder}/src"]
            command = [word for word in command if not word.startswith("-W") or word.startswith("-Wl")]
            status, output = call(command, cwd=self.folder)
            if status != 0:
                return None, output
            objects.append(str(made))
        command = [word for word in self.link if word not in replaced]
        library = folder / f"libsinter_cuda-{self.preset}.so"
        command[command.index(LIBRARY)] = str(library)
        # First, so that its inline functions are the ones that are taken.
        first = next(i for i, word in enumerate(command) if word.endswith(".o"))
        command[first:first] = objects
        status, output = call(command, cwd=self.folder)
        return (library, "") if status == 0 else (None, output)


def environment_of():
    environment = dict(os.environ, GTEST_BRIEF="1", GTEST_FAIL_FAST="1", CCACHE_DISABLE="1", SINTER_THREADS="1")
    environment["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=0"
    environment["TSAN_OPTIONS"] = "halt_on_error=1"
    return environment


def verdict(status, output):
    """How a test run ended: None if nothing was found."""
    if status == 0:
        return None
    if status is None or status == -signal.SIGXCPU:
        return "timeout"
    if status == -signal.SIGKILL:
        raise RuntimeError("a test was killed from outside, by the system or by somebody")
    found = REPORT.search(output)
    if status < 0 and not found:
        return f"signal {-status}"
    return found.group(0)[:100] if found else f"status {status}"


def run_tests(preset, fused, tests, library=None, rule_file=None):
    environment = environment_of()
    if library:
        environment["SINTER_CUDA_LIBRARY"] = str(library)
    if rule_file:
        environment["SINTER_EMULATED_CXX"] = str(TOOLS / "compiler")
        environment["SINTER_MUTATION"] = str(rule_file)
    program = ROOT / "build" / preset / "bin" / ("fused_run_test" if fused else "cuda_kernels_test")
    return call(["prlimit", f"--cpu={SECONDS}:{SECONDS + 10}", str(program), f"--gtest_filter={tests}"], environment)


def tests_of(mutant):
    name = mutant["file"].split("/cuda/")[1]
    return points.FUSED[name] if "rule" in mutant else points.OWN[name][1]


def try_mutant(mutant, builds):
    """The mutant with what was found: found_by (a preset, compiler, or None) and how."""
    start = time.time()
    result = {key: mutant[key] for key in ("name", "kind", "file", "line", "what")}
    folder = WORK / re.sub(r"\W+", "_", mutant["name"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rule_file = None
    if "rule" in mutant:
        rule_file = folder / "rule.json"
        rule_file.write_text(json.dumps(mutant["rule"]))
    result.update(found_by=None, how=None, presets=list(builds))
    for preset, build in builds.items():
        library = None
        if not rule_file:
            library, output = build.library_of(mutant, folder)
            if not library:
                result.update(found_by="compiler", how=output.strip().splitlines()[0][:100])
                break
        how = verdict(*run_tests(preset, rule_file is not None, tests_of(mutant), library, rule_file))
        if rule_file and not pathlib.Path(str(rule_file) + ".applied").exists():
            result.update(found_by=None, how="not applied: no test makes this text")
            break
        if rule_file and pathlib.Path(str(rule_file) + ".failed").exists():
            result.update(found_by="compiler", how="the text does not compile")
            break
        if how:
            result.update(found_by=preset, how=how)
            break
    result["seconds"] = round(time.time() - start, 1)
    shutil.rmtree(folder, ignore_errors=True)
    return result
