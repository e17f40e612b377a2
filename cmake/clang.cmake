# The toolchain of the presets `clang` and `fuzz`: the oldest clang there is, since that is the one that the
# code has to suit.
find_program(SINTER_CLANG NAMES clang++-14 clang++-15 clang++-16 clang++-17 clang++-18 clang++-19 clang++ REQUIRED)
set(CMAKE_CXX_COMPILER ${SINTER_CLANG})
