# Compiler settings that every target shares, and the two functions that declare layers and tests.

add_library(sinter_settings INTERFACE)
target_include_directories(sinter_settings INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
# -ffp-contract=off: a * b + c rounds twice unless the code says fma, so that every back end computes
# the same bits.
target_compile_options(sinter_settings INTERFACE -Wall -Wextra -Wshadow -Wconversion
  -Wno-sign-conversion -ffp-contract=off)
if(SINTER_WERROR)
  target_compile_options(sinter_settings INTERFACE -Werror)
endif()
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

# sinter_test(LAYER SOURCES a_test.cc ... [LINK target ...])
# One test program per layer, linked with that layer and what stands to its left only.
function(sinter_test layer)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${layer}_test ${arg_SOURCES})
  target_link_libraries(${layer}_test PRIVATE sinter_${layer} ${arg_LINK} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${layer}_test PRIVATE SINTER_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${layer} COMMAND ${layer}_test)
endfunction()
