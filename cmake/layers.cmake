# Compiler settings, and the functions that declare layers and tests.

# What every target of this project is compiled with, and none of a project around it.
# -ffp-contract=off: a * b + c rounds twice unless the code says fma, so that every back end computes
# the same bits.
add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -ffp-contract=off)
if(SINTER_WERROR)
  add_compile_options(-Werror)
endif()
include_directories(${PROJECT_SOURCE_DIR}/src)

# What whoever links a layer needs too.
add_library(sinter_settings INTERFACE)
target_include_directories(sinter_settings INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_features(sinter_settings INTERFACE cxx_std_20)
if(SINTER_SANITIZE)
  target_compile_options(sinter_settings INTERFACE -fsanitize=${SINTER_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(sinter_settings INTERFACE -fsanitize=${SINTER_SANITIZE})
endif()

if(SINTER_FUZZ)
  target_compile_options(sinter_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()

# sinter_layer(NAME SOURCES a.cc ... [LINK target ...] [PRIVATE_LINK target ...])
# One static library per folder. LINK names the layers to the left that it uses, PRIVATE_LINK packages.
function(sinter_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(sinter_${name} STATIC ${arg_SOURCES})
  target_link_libraries(sinter_${name} PUBLIC sinter_settings ${arg_LINK} PRIVATE ${arg_PRIVATE_LINK})
endfunction()

# The library of the layers from tensor to compile, which call each other while a program runs: an op
# called directly goes through the compiler, whose passes are written in ops (docs/design.md, section 0).
# As one library they need no repetition on a linker's command line.
add_library(sinter_core STATIC)

# sinter_core_layer(NAME SOURCES a.cc ... [LINK target ...] [PRIVATE_LINK target ...])
# A layer of sinter_core. LINK names what it may call, as for the others; tools/check_links.py looks
# into the objects for what it calls.
function(sinter_core_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(sinter_${name} OBJECT ${arg_SOURCES})
  target_link_libraries(sinter_${name} PUBLIC sinter_settings ${arg_LINK} PRIVATE ${arg_PRIVATE_LINK})
  target_sources(sinter_core PRIVATE $<TARGET_OBJECTS:sinter_${name}>)
  target_link_libraries(sinter_core PRIVATE ${arg_PRIVATE_LINK})
endfunction()

# sinter_test(LAYER SOURCES a_test.cc ... [LINK target ...])
# One test program per layer, linked with the library that holds it and what stands to its left only.
function(sinter_test layer)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  set(library sinter_${layer})
  get_target_property(type ${library} TYPE)
  if(type STREQUAL OBJECT_LIBRARY)
    set(library sinter_core)
  endif()
  add_executable(${layer}_test ${arg_SOURCES})
  target_link_libraries(${layer}_test PRIVATE ${library} ${arg_LINK} sinter_source_path GTest::gtest
    GTest::gtest_main)
  add_test(NAME ${layer} COMMAND ${layer}_test)
endfunction()

# What ctest sets for a test so that `cuda` is the emulated device. Compiled kernels are kept in the
# build folder.
function(sinter_on_emulated_device test)
  set(variables "SINTER_CUDA_LIBRARY=$<TARGET_FILE:sinter_cuda_emulated>"
    "SINTER_CACHE=${PROJECT_BINARY_DIR}/kernel-cache" ${ARGN})
  # ThreadSanitizer does not see how OpenMP's threads wait for each other in oneDNN.
  if(SINTER_SANITIZE MATCHES thread)
    list(APPEND variables SINTER_THREADS=1)
  endif()
  set_tests_properties(${test} PROPERTIES LABELS emulated ENVIRONMENT "${variables}")
endfunction()

# sinter_device_test(PROGRAM)
# A test program that needs a CUDA device: by hand it runs on the one that SINTER_CUDA_LIBRARY names, by
# ctest on the emulated one. Without either library it is only built.
function(sinter_device_test program)
  set(library "libsinter_cuda.so")
  foreach(target sinter_cuda sinter_cuda_emulated)
    if(TARGET ${target})
      add_dependencies(${program} ${target})
      set(library $<TARGET_FILE:${target}>)
    endif()
  endforeach()
  target_compile_definitions(${program} PRIVATE SINTER_CUDA_LIBRARY_PATH="${library}")
  if(TARGET sinter_cuda_emulated)
    string(REGEX REPLACE "_test$" "" name ${program})
    add_test(NAME ${name} COMMAND ${program})
    sinter_on_emulated_device(${name})
  endif()
endfunction()

# sinter_provider_test(PROGRAM)
# A test program of kernels that come from a vendor's library, on the emulated device with a made-up one
# (tests/backend/made_up.cc): *Provider*, and where it cannot be used or nobody asks for it, *WithoutProvider*
# and *NoProvider*.
function(sinter_provider_test program)
  foreach(target sinter_cuda_emulated made_up made_up_old made_up_in_part)
    add_dependencies(${program} ${target})
  endforeach()
  target_compile_definitions(${program} PRIVATE SINTER_CUDA_LIBRARY_PATH="$<TARGET_FILE:sinter_cuda_emulated>")
  string(REGEX REPLACE "_test$" "" name ${program})
  add_test(NAME ${name} COMMAND ${program} --gtest_filter=-*WithoutProvider*:*NoProvider*)
  sinter_on_emulated_device(${name} "SINTER_EMULATED_PROVIDER=$<TARGET_FILE:made_up>")
  add_test(NAME ${name}_none COMMAND ${program} --gtest_filter=*NoProvider*)
  sinter_on_emulated_device(${name}_none)
  foreach(case "missing|/nowhere/made_up.so|No such file or directory"
          "old|$<TARGET_FILE:made_up_old>|is version 1.4, at least 2.0 is needed"
          "in_part|$<TARGET_FILE:made_up_in_part>|has no function made_up_multiply")
    string(REPLACE "|" ";" case "${case}")
    list(GET case 0 word)
    list(GET case 1 file)
    list(GET case 2 problem)
    add_test(NAME ${name}_${word} COMMAND ${program} --gtest_filter=*WithoutProvider*)
    sinter_on_emulated_device(${name}_${word} "SINTER_EMULATED_PROVIDER=${file}"
      "SINTER_TEST_PROBLEM=${problem}")
  endforeach()
endfunction()
