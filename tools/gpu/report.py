"""Where gpu_check ran, its one JSON, and its table."""
import datetime
import pathlib
import platform
import re
import subprocess

import check


def output_of(command):
    """What a program prints; empty when it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=check.ROOT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def commit():
    """The commit, with "-dirty" when sources differ from it; None outside a clone."""
    short = output_of(["git", "rev-parse", "--short", "HEAD"])
    if not short:
        return None
    changed = output_of(["git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/measurements"])
    return short + ("-dirty" if changed else "")


def last_line_of(command):
    return (output_of(command).splitlines() or [None])[-1]


def first_line_of(command):
    return (output_of(command).splitlines() or [None])[0]


def machine(run):
    """GPU, driver, versions: what figures depend on."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    about = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
             "emulated": run.emulated, "commit": run.options.commit or commit(), "kernel": platform.release(),
             "cpu": next((line.split(":", 1)[1].strip() for line in cpuinfo.splitlines()
                          if line.startswith("model name")), platform.machine()),
             "jobs": run.options.jobs, "compiler": first_line_of(["c++", "--version"]),
             "cmake": first_line_of(["cmake", "--version"])}
    if run.emulated:
        return about | {"gpu": None, "note": "emulated on the CPU: no figure here is one of a GPU"}
    query = output_of(["nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit",
                       "--format=csv,noheader"])
    names = ["gpu", "driver", "memory", "max_sm_clock", "power_limit"]
    values = [value.strip() for value in query.splitlines()[0].split(",")] if query else [None] * len(names)
    nvcc = output_of(["nvcc", "--version"]) or output_of(["/usr/local/cuda/bin/nvcc", "--version"])
    release = re.search(r"release ([\d.]+)", nvcc)
    return about | dict(zip(names, values)) | {"nvcc": release.group(1) if release else None}


def file_name(about):
    if about["emulated"]:
        return "gpu-emulated.json"
    name = re.sub(r"[^a-z0-9]+", "-", (about["gpu"] or "unknown").lower().replace("nvidia", "")).strip("-")
    return f"gpu-{name}.json"


def sinter_info(run):
    """`sinter info`, which names devices and libraries."""
    program = run.program("sinter")
    return output_of([str(program), "info"]).splitlines() if program.exists() else []


def headline(part):
    """The one line of a part."""
    figures = part["figures"]
    if part["part"] == "build" and "build_seconds" in figures:
        return f"{figures['build_seconds']:.0f} s with {figures['jobs']} jobs, {figures['warnings']} warnings"
    if part["part"] in ("ops", "steps"):
        tests = [each for each in figures.values() if isinstance(each, dict) and "tests" in each]
        return f"{sum(each['tests'] for each in tests)} tests, {sum(each['failed'] for each in tests)} failed"
    if part["part"] == "sanitizer" and figures:
        return f"{len(figures)} runs without a finding"
    if part["part"] == "train" and "test" in figures:
        return (f"{figures['model']}: accuracy {figures['test']['accuracy']:.4f} in {figures['train_seconds']:.1f} s "
                f"({figures['data']} data)")
    if part["part"] == "limits" and "device" in figures:
        device = figures["device"]
        best = max(each["gflop_per_s"] for each in device["matmul"])
        return (f"copy {device['copy_gb_per_s']:.1f} GB/s, multiply-adds {device['fma_gflop_per_s']:.1f} GFLOP/s, "
                f"matmul {best:.1f} ({100 * best / device['fma_gflop_per_s']:.0f} %)")
    return ""


def bench_rows(part):
    rows = []
    for name, entry in part["figures"].items():
        if not isinstance(entry, dict) or "sinter" not in entry:
            continue
        ours = entry["sinter"]
        row = (f"    {name:<12}{ours['step_ms']['median']:>10.3f} ms {ours['units_per_s']:>12.0f}/s "
               f"{ours['kernels_per_step']:>4} kernels  compile {entry['compile_ms_cold']:.0f} / "
               f"{entry['compile_ms_cached']:.0f} ms")
        for mode, ratio in entry.get("ratios", {}).items():
            row += f"  {ratio:.2f} x PyTorch {mode}"
        rows.append(row)
    return rows


def slowest_kernels(part, count=5):
    for name, kernels in part["figures"].get("kernels", {}).items():
        for each in sorted(kernels, key=lambda kernel: -kernel["ms"])[:count]:
            yield (f"    {name:<12}{each['ms']:>9.4f} ms {each['percent_of_fma']:>6.1f} % of multiply-adds "
                   f"{each['percent_of_copy']:>6.1f} % of the copy  {each['scope']} {each['label']}")


def print_table(whole):
    about = whole["machine"]
    print()
    if about["emulated"]:
        print("EMULATED on the CPU: no figure here is one of a GPU.")
    else:
        print(f"{about['gpu']}, driver {about['driver']}, nvcc {about['nvcc']}, commit {about['commit']}")
    for part in whole["parts"]:
        print(f"{part['part']:<10}{part['status']:<9}{part['seconds']:>7.1f} s  {headline(part)}")
        for row in bench_rows(part) if part["part"] == "bench" else []:
            print(row)
        for row in slowest_kernels(part) if part["part"] == "limits" else []:
            print(row)
        for failure in part["failures"]:
            print(f"    FAILED {failure['what']}: {failure['why'][:300]}")
        for skipped in part["skipped"]:
            print(f"    skipped {skipped['what']}: {skipped['why'][:200]}")


def collect(run, about, parts):
    """The whole of what there is, which is written behind every part."""
    whole = {"machine": about, "sinter_info": sinter_info(run), "seconds": round(sum(p["seconds"] for p in parts), 1),
             "passed": all(part["status"] != "failed" for part in parts), "parts": parts}
    check.write_json(run.out / file_name(about), whole)
    return whole
