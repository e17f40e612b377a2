"""What the parts of gpu_check share: the options, the clock, running programs, and what a part leaves."""
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TAIL = 2000  # characters of a failing program's output that are kept


class OutOfTime(Exception):
    """The budget is used up."""


@dataclasses.dataclass
class Done:
    """A program that has run. `status` is None when it was stopped at its limit."""
    command: list
    status: int | None
    output: str
    seconds: float

    @property
    def ok(self):
        return self.status == 0

    def why(self):
        ended = "stopped at its limit" if self.status is None else f"ended with {self.status}"
        return f"{' '.join(map(str, self.command))} {ended} after {self.seconds:.0f} s: {self.output[-TAIL:].strip()}"


def find_json(output):
    """The first JSON array or object in a program's output, among what it printed on standard error."""
    for opening in re.finditer(r"\[\{|\{\"", output):
        try:
            return json.JSONDecoder().raw_decode(output, opening.start())[0]
        except ValueError:
            continue
    return None


class Part:
    """What one part found: figures, what failed, what was left out and why."""

    def __init__(self, name, emulated):
        self.name, self.emulated = name, emulated
        self.figures, self.failures, self.skipped = {}, [], []
        self.seconds = 0.0

    def fail(self, what, why):
        self.failures.append({"what": what, "why": why})
        print(f"  FAILED {what}: {why.splitlines()[-1][:200] if why else ''}", flush=True)

    def skip(self, what, why):
        self.skipped.append({"what": what, "why": why})
        print(f"  skipped {what}: {why}", flush=True)

    @property
    def status(self):
        if self.failures:
            return "failed"
        return "skipped" if self.skipped and not self.figures else "passed"

    def to_json(self):
        return {"part": self.name, "emulated": self.emulated, "status": self.status,
                "seconds": round(self.seconds, 1), "figures": self.figures,
                "failures": self.failures, "skipped": self.skipped}


class Check:
    """One run of gpu_check."""

    def __init__(self, options):
        self.options = options
        self.emulated = options.emulated
        self.out = options.out.resolve()
        self.build = (options.build or ROOT / "build" / ("release" if self.emulated else "gpu")).resolve()
        self.library = "sinter_cuda_emulated" if self.emulated else "sinter_cuda"
        self.start = time.monotonic()
        self.part_end = None  # where the part in progress has to end

    def remaining(self):
        """Seconds that are left to the part in progress."""
        end = self.start + self.options.seconds
        return (end if self.part_end is None else min(end, self.part_end)) - time.monotonic()

    def program(self, name):
        return self.build / "bin" / name

    def environment(self, **more):
        """For programs of ours: kernels are kept beside the results, nothing else is taken over."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SINTER_")}
        kept |= {"SINTER_CACHE": str(self.out / "kernels"), "GTEST_BRIEF": "1"}
        if self.emulated:  # the real one is found as users find it
            kept["SINTER_CUDA_LIBRARY"] = str(self.build / f"lib/lib{self.library}.so")
        return kept | more

    def run(self, command, limit=None, environment=None):
        """Runs a program within `limit` seconds and what is left of the budget."""
        seconds = min(limit or 1e9, self.remaining())
        if seconds < 1:
            raise OutOfTime
        command = [str(word) for word in command]
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", cwd=ROOT, env=environment or self.environment(),
                                   start_new_session=True)
        try:
            output, _ = process.communicate(timeout=seconds)
            status = process.returncode
        except subprocess.TimeoutExpired:
            # With what it has started: a build has many children.
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            status = None
        return Done(command, status, output, time.monotonic() - start)

    def run_json(self, part, what, command, **options):
        """The JSON that a program prints last; None, with a failure noted, when it does not."""
        done = self.run(command, **options)
        value = find_json(done.output) if done.ok else None
        if value is None:
            part.fail(what, done.why())
        return value


def write_json(path, value):
    """Whole or not at all, so that a run that is cut off leaves what it had."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(value, indent=1) + "\n")
    temporary.replace(path)
