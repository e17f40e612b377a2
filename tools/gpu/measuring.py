"""The parts `train`, `limits` and `bench`: what the device learns, can do at most, and does."""
import json
import shutil

import check

# Of `mlp` and `cnn`: PyTorch's usual batch, and one that fills a GPU.
BATCHES = [("mlp", 128), ("cnn", 128), ("mlp", 4096), ("cnn", 2048)]
EMULATED_BATCHES = [("mlp", 8), ("cnn", 4)]
TORCH_MODES = ["eager", "model", "step"]


def batches(run):
    return EMULATED_BATCHES if run.emulated else BATCHES


def train(run, part):
    folder = run.out / "run"
    command = [run.program("sinter"), "train", "image", "--device", "cuda", "--out", folder, "--force", "--quiet"]
    if run.options.data:
        command += ["--data", run.options.data]
    if run.emulated:
        command += ["--model", "mlp", "--steps", "200", "--batch", "32", "--set", "embedded_train=2000", "--set",
                    "embedded_test=200"]
    else:
        command += ["--model", "cnn", "--epochs", "5"]
    done = run.run(command)
    if not done.ok:
        part.fail("train image", done.why())
        return
    summary = json.loads((folder / "summary.json").read_text())
    part.figures |= {"data": "given" if run.options.data else "embedded", "model": summary["model"],
                     "device": summary["device"], "epochs": summary["epochs"], "steps": summary["steps"],
                     "test": summary["test"], "train_seconds": summary["train_seconds"],
                     "samples_per_s": summary["samples_per_s"], "first_step_ms": summary["first_step_ms"]}
    accuracy = summary["test"]["accuracy"]
    # A linear model stays far below.
    least = 0.3 if run.emulated else 0.98 if run.options.data else 0.85
    if accuracy < least:
        part.fail("accuracy", f"{accuracy} is below {least}")
    print(f"  accuracy {accuracy:.4f} after {summary['steps']} steps in {summary['train_seconds']:.1f} s", flush=True)
    if run.emulated:
        return
    on_cpu = run.run_json(part, "eval on the CPU", [run.program("sinter"), "eval", folder, "--device", "cpu"]
                          + (["--data", run.options.data] if run.options.data else []))
    if on_cpu is None:
        return
    part.figures["test_on_cpu"] = on_cpu
    if abs(on_cpu.get("accuracy", accuracy) - accuracy) > 0.001:
        part.fail("accuracy on the CPU", f"{on_cpu['accuracy']} instead of {accuracy}")


def bench_command(run, workload, batch):
    # Each kernel is timed within the same seconds again, at least once: slow where it is emulated.
    return [run.program("sinter"), "bench", workload, "--device", "cuda", "--batch", batch, "--seconds",
            "0.2" if run.emulated else "2", "--json", "--parts"]


def kernel_shares(result, limits):
    """Each kernel of a step against the measured limit that binds it: multiply-adds or the copy."""
    rows = []
    for each in result.get("parts", []):
        seconds = max(each["ms"], 1e-6) / 1e3
        flops = 100 * each["flops"] / seconds / (limits["fma_gflop_per_s"] * 1e9)
        memory = 100 * each["bytes"] / seconds / (limits["copy_gb_per_s"] * 1e9)
        rows.append({"scope": each["scope"], "label": each["label"], "ms": each["ms"],
                     "percent_of_fma": round(flops, 2), "percent_of_copy": round(memory, 2)})
    return rows


def limits(run, part):
    command = [run.program("cuda_bench")] + (["--small"] if run.emulated else [])
    measured = run.run_json(part, "cuda_bench", command)
    if measured is None:
        return
    part.figures["device"] = measured
    peak = measured["fma_gflop_per_s"]
    for each in measured["matmul"]:
        each["percent_of_fma"] = round(100 * each["gflop_per_s"] / peak, 2)
        print(f"  matmul {each['m']} x {each['k']} x {each['n']}: {each['gflop_per_s']:.1f} GFLOP/s, "
              f"{each['percent_of_fma']:.1f} % of multiply-adds", flush=True)
    print(f"  copy {measured['copy_gb_per_s']:.1f} GB/s, multiply-adds {peak:.0f} GFLOP/s", flush=True)
    part.figures["kernels"] = {}
    for workload, batch in batches(run):
        result = run.run_json(part, f"bench {workload} {batch}", bench_command(run, workload, batch))
        if result:
            part.figures["kernels"][f"{workload} {batch}"] = kernel_shares(result[0], measured)
    torch = find_torch(run)
    if torch.get("cuda"):
        beside = run.run_json(part, "PyTorch's limits", [run.options.python, check.ROOT / "tools/gpu/torch_limits.py"])
        if beside:
            part.figures["pytorch"] = beside


def find_torch(run):
    """The PyTorch of --python: its version, and whether it sees a GPU; empty where there is none."""
    text = ("import json, torch; print(json.dumps({'version': torch.__version__, 'cuda': torch.cuda.is_available(),"
            " 'cuda_version': torch.version.cuda}))")
    done = run.run([run.options.python, "-c", text], limit=60)
    return (check.find_json(done.output) if done.ok else None) or {}


def bench_sinter(run, part, workload, batch):
    """Twice: with an empty folder of kernels, and with what that left there."""
    name = f"{workload} {batch}"
    folder = run.out / "cold-kernels"
    shutil.rmtree(folder, ignore_errors=True)
    entry = {}
    for when in ("cold", "cached"):
        result = run.run_json(part, f"bench {name} {when}", bench_command(run, workload, batch),
                              environment=run.environment(SINTER_CACHE=str(folder)))
        if result is None:
            return
        result = result[0]
        result.pop("parts", None)
        entry[f"compile_ms_{when}"] = result["compile_ms"]
        entry[f"first_step_ms_{when}"] = result["first_step_ms"]
        entry["sinter"] = result
    part.figures[name] = entry
    print(f"  {name}: {entry['sinter']['step_ms']['median']:.3f} ms a step, {entry['sinter']['kernels_per_step']} "
          f"kernels, compiled in {entry['compile_ms_cold']:.0f} ms, {entry['compile_ms_cached']:.0f} ms from the "
          f"folder", flush=True)


def bench_torch(run, part, workload, batch, mode):
    name = f"{workload} {batch}"
    if name not in part.figures:
        return
    command = [run.options.python, check.ROOT / "tools/bench/pytorch_workloads.py", workload, "--device",
               "cpu" if run.emulated else "cuda", "--batch", batch, "--mode", mode, "--seconds",
               "0.5" if run.emulated else "2"]
    done = run.run(command, limit=90)
    result = check.find_json(done.output) if done.ok else None
    if result is None:
        # Whether PyTorch's compiler works on this machine is not ours to mend.
        part.skip(f"PyTorch {mode}, {name}", done.why()[-300:])
        return
    entry = part.figures[name]
    entry.setdefault("pytorch", {})[mode] = result
    if not run.emulated:
        ratio = result["step_ms"]["median"] / entry["sinter"]["step_ms"]["median"]
        entry.setdefault("ratios", {})[mode] = round(ratio, 3)
    print(f"  {name}: PyTorch {mode} {result['step_ms']['median']:.3f} ms", flush=True)


def bench(run, part):
    for workload, batch in batches(run):
        bench_sinter(run, part, workload, batch)
    torch = find_torch(run)
    if not torch:
        part.skip("PyTorch", f"{run.options.python} has none")
        return
    part.figures["torch"] = torch
    if not torch["cuda"] and not run.emulated:
        part.skip("PyTorch", "it sees no GPU")
        return
    # The most telling first, should the time end; on the CPU one, to see that it works.
    modes = TORCH_MODES[:1] if run.emulated else TORCH_MODES
    for mode in modes:
        for workload, batch in batches(run):
            try:
                bench_torch(run, part, workload, batch, mode)
            except check.OutOfTime:
                part.skip(f"PyTorch {mode}, {workload} {batch}", "no time left")
