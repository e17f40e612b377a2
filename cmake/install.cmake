# `cmake --install`: the command, the public headers, the static libraries, and what find_package(sinter)
# and pkg-config read. The package file is written here and not exported by CMake, because consumers shall
# not get our warning flags.
include(GNUInstallDirs)

set(SINTER_LIBRARIES)  # from right to left
foreach(layer cli recipes train io data optim nn core backend ir base)
  if(TARGET sinter_${layer})
    install(TARGETS sinter_${layer} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    list(APPEND SINTER_LIBRARIES sinter_${layer})
  endif()
endforeach()
install(DIRECTORY include/sinter DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(SINTER_COMMAND)
  install(PROGRAMS ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/sinter DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

include(CMakePackageConfigHelpers)
configure_package_config_file(cmake/sinterConfig.cmake.in ${PROJECT_BINARY_DIR}/sinterConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/sinter
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sinterConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sinterConfig.cmake ${PROJECT_BINARY_DIR}/sinterConfigVersion.cmake
  cmake/Finddnnl.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/sinter)

list(TRANSFORM SINTER_LIBRARIES PREPEND "-l" OUTPUT_VARIABLE sinter_flags)
list(JOIN sinter_flags " " SINTER_FLAGS)
file(RELATIVE_PATH SINTER_LIBDIR_TO_INCLUDEDIR
  ${CMAKE_INSTALL_FULL_LIBDIR} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
if(SINTER_ARCHIVE)
  set(SINTER_ARCHIVE_FLAG "-larchive ")
endif()
configure_file(cmake/sinter.pc.in ${PROJECT_BINARY_DIR}/sinter.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sinter.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
