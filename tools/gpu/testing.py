"""The parts `ops`, `steps` and `sanitizer`: what the device computes, and how cleanly."""
import concurrent.futures
import json
import os
import re
import shutil

import building

# Without the plan of the golden file: it is the CPU's, with its workspaces and kernels.
WHOLE_STEPS = "-*HasThePlanOfTheGoldenFile*"
SHARE = 20
# What a Tensor on a device says to a test that takes its address: that test is the CPU's alone.
HOST_ONLY = "is not in host memory"


def run_tests(run, name, program, test_filter, **environment):
    """Runs a test program; its outcome as a dictionary, or None when it is not there."""
    path = run.program(program)
    if not path.exists():
        return {"name": name, "problem": f"{path} was not built"}
    report = run.out / "tests" / f"{name}.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    done = run.run([path, f"--gtest_filter={test_filter}", f"--gtest_output=json:{report}"],
                   environment=run.environment(**environment))
    outcome = {"name": name, "seconds": round(done.seconds, 1)}
    if not report.exists():
        return outcome | {"problem": done.why()}
    cases = [case for suite in json.loads(report.read_text())["testsuites"] for case in suite["testsuite"]]
    ran = [case for case in cases if case.get("result") == "COMPLETED"]
    outcome["tests"] = len(ran)
    outcome["failed"], outcome["host_only"] = [], []
    for case in ran:
        if not case.get("failures"):
            continue
        test, why = f"{case['classname']}.{case['name']}", case["failures"][0]["failure"]
        if HOST_ONLY in why:
            outcome["host_only"].append(test)
        else:
            outcome["failed"].append({"test": test, "why": why[:600]})
    outcome["properties"] = {f"{case['classname']}.{case['name']}": properties for case in ran
                             if (properties := {key: value for key, value in case.items()
                                                if key.startswith("largest_")})}
    if not done.ok and not outcome["failed"] and not outcome["host_only"]:
        outcome["problem"] = done.why()
    if not ran:
        outcome["problem"] = f"no test matches {test_filter}"
    return outcome


def note(part, outcome):
    """Puts an outcome among a part's figures and failures."""
    name = outcome.pop("name")
    if "problem" in outcome:
        part.fail(name, outcome.pop("problem"))
    for failed in outcome.get("failed", []):
        part.fail(failed["test"], failed["why"])
    if "tests" in outcome:
        outcome["failed"] = len(outcome["failed"])
        for test in outcome["host_only"]:
            part.skip(test, "it looks into host memory: a test of the CPU")
        if not outcome["properties"]:
            del outcome["properties"]
        part.figures[name] = outcome
        print(f"  {name}: {outcome['tests']} tests, {outcome['failed']} failed, {outcome['seconds']} s", flush=True)


def run_all(run, part, works):
    """Several test programs at a time: most of their time is the host's."""
    workers = max(1, min(4, run.options.jobs // 2))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        waiting = {pool.submit(run_tests, run, *work[:3], **work[3]): work[0] for work in works}
        for future in concurrent.futures.as_completed(waiting):
            try:
                note(part, future.result())
            except building.check.OutOfTime:
                part.skip(waiting[future], "no time left")


def ops(run, part):
    device = {"SINTER_DEVICE": "cuda"}
    few = {"SINTER_TEST_FUNCTIONS": "3" if run.emulated else "30"}
    # The long lists of samples: each op is compiled on its own, for an emulated device by the compiler of
    # the system, so a rehearsal takes one test in SHARE.
    share = {"GTEST_TOTAL_SHARDS": str(SHARE), "GTEST_SHARD_INDEX": "3"} if run.emulated else {}
    if run.emulated:
        part.figures["share_of_long_lists"] = 1 / SHARE
    works = [("kernels against the CPU's", "cuda_kernels_test", "*", {}),
             ("the machine's peaks", "machine_device_test", "*", {}),
             ("ops on both devices", "device_parity_test", "*OpParity*", share),
             ("ops on the device", "ops_test", "*", device | share),
             ("compiled as op by op", "compile_test", "*SameBits*:*BitsOf*:*CompiledState*", device | few | share),
             ("whole steps", "whole_step_test", WHOLE_STEPS, device)]
    works += [(f"{layer} on the device", f"{layer}_test", "*", device | share)
              for layer in building.LAYERS if layer not in ("ops", "compile")]
    run_all(run, part, works)


def steps(run, part):
    rows = {"SINTER_TEST_BATCH": "8" if run.emulated else "128"}
    part.figures["batch"] = int(rows["SINTER_TEST_BATCH"])
    run_all(run, part, [("mlp, ten steps", "device_parity_test", "*TrainingParity*mlp", rows),
                        ("cnn, ten steps", "device_parity_test", "*TrainingParity*cnn", rows)])


def find_sanitizer():
    found = shutil.which("compute-sanitizer")
    homes = [os.environ.get("CUDA_HOME"), "/usr/local/cuda"]
    candidates = [found] + [os.path.join(home, "bin/compute-sanitizer") for home in homes if home]
    return next((path for path in candidates if path and os.access(path, os.X_OK)), None)


# What a tool is run on: the slow ones on the kernels that share memory or sort.
SANITIZED = [("memcheck", "cuda_kernels_test", "*"),
             ("racecheck", "cuda_kernels_test", "CudaMatmul.*F32*:CudaMaxPool.*F32:CudaSegmentSum.*:CudaConv.*F32"),
             ("synccheck", "cuda_kernels_test", "CudaMatmul.*F32*:CudaSegmentSum.*:CudaConv.*F32"),
             ("initcheck", "cuda_kernels_test", "CudaMatmul.*F32*:CudaGather.*:CudaSegmentSum.*"),
             ("memcheck", "device_parity_test", "*TrainingParity.TwoRuns*mlp"),
             ("racecheck", "device_parity_test", "*TrainingParity.TwoRuns*mlp")]


def sanitizer(run, part):
    if run.emulated:
        part.skip("compute-sanitizer", "there is no GPU; the emulated device under the presets asan and tsan checks instead")
        return
    tool = find_sanitizer()
    if not tool:
        part.skip("compute-sanitizer", "not found in PATH, CUDA_HOME or /usr/local/cuda")
        return
    for kind, program, test_filter in SANITIZED:
        name = f"{kind} {program}"
        # Tests that provoke errors of calls are no faults of kernels.
        command = [tool, "--tool", kind, "--error-exitcode", "86", "--report-api-errors", "no",
                   run.program(program), f"--gtest_filter={test_filter}"]
        if kind != "memcheck":
            command[5:7] = []
        try:
            done = run.run(command, limit=60, environment=run.environment(SINTER_TEST_BATCH="16"))
        except building.check.OutOfTime:
            part.skip(name, "no time left")
            continue
        summary = re.search(r"(ERROR SUMMARY|RACECHECK SUMMARY): .*", done.output)
        if re.search(r"[Dd]evice not supported|not supported on this|Unable to (attach|find)|LibraryNotLoaded",
                     done.output):
            part.skip(name, "does not work here: " + done.output.strip().splitlines()[0][:200])
        elif done.status is None:
            part.skip(name, f"not done after {done.seconds:.0f} s")
        elif not done.ok:
            part.fail(name, done.why())
        else:
            part.figures[name] = {"summary": summary.group(0) if summary else "", "seconds": round(done.seconds, 1)}
            print(f"  {name}: {part.figures[name]['summary']}, {done.seconds:.1f} s", flush=True)
