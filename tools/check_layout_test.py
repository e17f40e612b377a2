#!/usr/bin/env python3
"""check_layout.py finds each kind of violation, planted one at a time in a copy of the sources."""
import pathlib
import shutil
import sys
import tempfile

import check_layout

ROOT = pathlib.Path(__file__).resolve().parent.parent

# (file, text appended or (old, new), what the message must hold)
PLANTED = [
    ("src/ir/group.cc", '#include "tensor/apply.h"\n', "ir may not include"),
    ("src/base/shape.cc", '#include "sinter/ops.h"\n', "base may not include"),
    ("src/nn/linear.cc", '#include "compile/pass.h"\n', "public headers only"),
    ("src/ir/type.cc", "// TO" + "DO later\n", "left-over mark"),
    ("src/ir/type.cc", "#include <format>\n", "compiler lacks"),
    ("src/ir/type.cc", "#define SOMETHING 1\n", "macro SOMETHING"),
    ("src/ir/type.cc", "\n" * 801, "more than 800"),
    ("src/ir/type.cc", "// " + "x" * 98 + "\n", "more than 100"),
    ("src/ir/CMakeLists.txt", "# sinter_tensor\n", "stands to its right"),
    ("src/ir/CMakeLists.txt", "# sinter_core\n", "ir links core, which stands to its right"),
    ("src/ops/CMakeLists.txt", "# sinter_core\n", "ops links core, which stands to its right"),
    ("src/nn/CMakeLists.txt", "# sinter_ops\n", "nn links ops, a part of sinter_core, by itself"),
    ("src/ir/type.h", None, "header guard"),
    ("src/backend/cpu/kernels/gather.cc", "delete", "src/backend/cpu/kernels: no .cc file defines"),
    ("src/ops/gather.cc", "delete", "src/ops: no .cc file defines"),
    ("src/backend/cuda/kernels/gather.cu", "delete", "src/backend/cuda/kernels: no .cu file defines"),
    ("src/backend/cuda/kernels/gather.cu", ("const Kernel kGather", "const Kernel kTake"), "kGather', which"),
    ("src/ir/op_list.h", ("  op(Softmax,", "  kernel(Softmax,"), "kernels: no .cu file defines 'const Kernel kSoftmax"),
    ("src/ops/segment_sum.cc", "constinit const ir::Op kPad = {\n", "kPad: a structured op's files share their stem"),
    ("src/backend/cuda/kernels/gather.cu", "#define SOMETHING 1\n", "macro SOMETHING"),
    ("src/backend/cuda/kernels/gather.cu", "\n" * 801, "more than 800"),
    ("src/backend/cuda/kernels/gather.cu", "// FIX" + "ME\n", "left-over mark"),
    ("src/backend/cuda/kernels/gather.cu", '#include "tensor/apply.h"\n', "backend may not include"),
    ("src/backend/cuda/extra.cuh", "create", "header guard"),
    ("src/backend/cuda/device/language.h", "#define __global__\n", "macro __global__"),
    ("src/backend/cpu/vendor/onednn_conv.cc", "auto lengths(const dnnl::memory::desc& d) { return d.dims(); }\n",
     "oneDNN 2 and 3"),
    ("src/backend/cpu/vendor/onednn.cc", "auto type(const dnnl::memory::desc& d) { return d.get_data_type(); }\n",
     "oneDNN 2 and 3"),
    ("tests/ir/CMakeLists.txt", "target_link_libraries(ir_test PRIVATE sinter_ops)\n", "the test of ir links ops"),
    ("tests/ir/CMakeLists.txt", "target_link_libraries(ir_test PRIVATE sinter_core)\n", "the test of ir links core"),
    ("examples/hello.cc", "// more\n", "the program shown is not"),
    ("examples/own_module.cc", ("Residual block", "Residual  block"), "docs/library.md: no file that is built"),
    ("tests/install/consumer/CMakeLists.txt", ("0.1", "0.2"), "docs/library.md: no file that is built"),
    ("README.md", "```cpp\nint unheard_of();\n```\n", "README.md: no file that is built"),
    ("include/sinter/dtype.h", '#include "sinter/tensor.h"\n', "base may not include"),
    ("include/sinter/unheard_of.h", "create", "header guard"),
    ("include/sinter/unheard_of.h", "create", "unheard_of.h is missing"),
    ("src/train/trainer.cc", '#include "sinter/unheard_of.h"\n', "has no layer"),
]


def main():
    failures = check_layout.check(ROOT)
    for file, text, expected in PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder)
            for part in ("include", "src", "cli", "tests", "examples", "docs"):
                if (ROOT / part).exists():
                    shutil.copytree(ROOT / part, copy / part)
            shutil.copy(ROOT / "README.md", copy)
            path = copy / file
            if text == "create":
                path.write_text("// Nothing.\n")
            elif text == "delete":
                path.unlink()
            elif isinstance(text, tuple):
                path.write_text(path.read_text().replace(*text))
            elif text is None:
                path.write_text(path.read_text().replace("SINTER_", "OTHER_"))
            else:
                path.write_text(path.read_text() + text)
            if not any(expected in problem for problem in check_layout.check(copy)):
                failures.append(f"planted in {file}: nothing about '{expected}' was found")
    for failure in failures:
        print(failure)
    print(f"{len(PLANTED)} violations planted, {len(failures)} problems")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
