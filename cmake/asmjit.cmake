# AsmJit in shared libraries. Debian's libasmjit.a is compiled for programs (PIE), not for shared
# libraries (PIC). Such code may lie anywhere, but it reaches for data by its distance:
#   - its own data must not be replaceable from outside, or the linker refuses. --exclude-libs hides the
#     archive's symbols in whatever shared library it goes into; two of these then also have an AsmJit
#     each and never meet.
#   - `stderr` is the C library's, out of reach. One object of the archive writes to it, that of
#     asmjit::DebugUtils; src/backend/cpu/vendor/asmjit_debug.cc takes its place where that is needed.
# Whether it is needed is found by linking.
set(SINTER_ASMJIT_LINK_OPTIONS -Wl,--exclude-libs,libasmjit.a)

# Whether a shared library can be linked with AsmJit and `sources`.
function(sinter_try_asmjit result)
  try_compile(${result}
    SOURCES ${PROJECT_SOURCE_DIR}/cmake/asmjit_probe.cc ${ARGN}
    COMPILE_DEFINITIONS -fPIC
    LINK_OPTIONS -shared ${SINTER_ASMJIT_LINK_OPTIONS}
    LINK_LIBRARIES asmjit::asmjit
    CXX_STANDARD 20)
endfunction()

if(NOT DEFINED SINTER_ASMJIT_NEEDS_DEBUG)
  sinter_try_asmjit(SINTER_ASMJIT_LINKS_AS_IT_IS)
  set(needs OFF)
  if(NOT SINTER_ASMJIT_LINKS_AS_IT_IS)
    sinter_try_asmjit(SINTER_ASMJIT_LINKS_WITH_DEBUG ${PROJECT_SOURCE_DIR}/src/backend/cpu/vendor/asmjit_debug.cc)
    set(needs ${SINTER_ASMJIT_LINKS_WITH_DEBUG})
    if(NOT SINTER_ASMJIT_LINKS_WITH_DEBUG)
      message(STATUS "AsmJit: no shared library can be linked with it here; programs can")
    endif()
  endif()
  set(SINTER_ASMJIT_NEEDS_DEBUG ${needs} CACHE INTERNAL "AsmJit reaches for stderr by its distance")
endif()

# Links AsmJit to a layer, so that shared libraries can be linked with that.
function(sinter_use_asmjit target)
  target_link_options(${target} INTERFACE ${SINTER_ASMJIT_LINK_OPTIONS})
  if(SINTER_ASMJIT_NEEDS_DEBUG)
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src/backend/cpu/vendor/asmjit_debug.cc)
  endif()
endfunction()
