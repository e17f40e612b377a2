"""The part `build`: Sinter in release, with the CUDA library."""
import os
import re
import shutil
import time

import check

TARGETS = ["sinter_command", "cuda_kernels_test", "device_parity_test", "machine_device_test", "cuda_bench"]
# Test programs of layers that run on whatever device is the current one.
LAYERS = ["tensor", "ops", "autograd", "compile", "nn", "optim"]
TARGETS += [f"{layer}_test" for layer in LAYERS] + ["whole_step_test"]


def packages_settings(folder):
    """CMake's settings for libraries that lie in a folder of unpacked Debian packages."""
    libraries = [path for path in (folder / "usr/lib/x86_64-linux-gnu", folder / "usr/lib") if path.is_dir()]
    joined = ";".join(map(str, libraries))
    # --disable-new-dtags: the path then also serves what the libraries themselves need.
    flags = "-Wl,--disable-new-dtags " + " ".join(f"-Wl,-rpath-link,{path}" for path in libraries)
    return ["-DSINTER_ARCHIVE=OFF", f"-DCMAKE_PREFIX_PATH={folder}/usr", f"-DCMAKE_LIBRARY_PATH={joined}",
            f"-DCMAKE_INCLUDE_PATH={folder}/usr/include", f"-DCMAKE_BUILD_RPATH={joined}",
            f"-DCMAKE_EXE_LINKER_FLAGS={flags}", f"-DCMAKE_SHARED_LINKER_FLAGS={flags}",
            f"-DCMAKE_MODULE_LINKER_FLAGS={flags}"]


def configure(run):
    command = ["cmake", "-S", check.ROOT, "--preset", "release", "-B", run.build]
    if not shutil.which("ninja"):
        command += ["-G", "Unix Makefiles"]
    if shutil.which("ccache"):
        command += ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"]
    if not run.emulated:
        # Another compiler than the ones we build with may warn of more.
        command += ["-DSINTER_CUDA=on", "-DSINTER_EMULATED_CUDA=OFF", "-DSINTER_WERROR=OFF"]
    if run.options.packages:
        command += packages_settings(run.options.packages.resolve())
    return command


def build(run, part):
    done = run.run(configure(run), environment=dict(os.environ))
    if not done.ok:
        part.fail("configure", done.why())
        return
    start = time.monotonic()
    command = ["cmake", "--build", run.build, "-j", run.options.jobs, "--target", *TARGETS,
               run.library]
    # What does not build is told apart from what does: the parts behind use what is there.
    if not run.emulated:
        command += ["--", "-k0" if shutil.which("ninja") else "-k"]
    done = run.run(command, environment=dict(os.environ))
    part.figures["jobs"] = run.options.jobs
    part.figures["warnings"] = len(re.findall(r"\bwarning:", done.output))
    part.figures["build_seconds"] = round(time.monotonic() - start, 1)
    if not done.ok:
        (run.out / "build.log").write_text(done.output)
        errors = [line for line in done.output.splitlines() if re.search(r"\berror\b|^FAILED", line)]
        done.output = "\n".join(errors[:20]) or done.output
        part.fail("build", f"{done.why()} (all of it: {run.out / 'build.log'})")
    library = run.build / f"lib/lib{run.library}.so"
    if library.exists():
        part.figures["library_bytes"] = library.stat().st_size
