# `cmake --install`: libraries, headers, pkg-config and CMake package files, program, man page, completions.
include(CMakePackageConfigHelpers)

install(TARGETS sutra_shared sutra_static
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
# What stands beside the engine: -lsutra_tools, -lsutra_registry, and what is opened at run time.
install(TARGETS sutra_tools sutra_registry ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(library sutra_hub sutra_server sutra_sqlite)
  if(TARGET ${library})
    install(TARGETS ${library} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endif()
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(TARGET sutra)
  # The program opens libsutra-hub.so and libsutra-server.so beside itself or in the library folder.
  file(RELATIVE_PATH bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(sutra PROPERTIES INSTALL_RPATH "$ORIGIN;$ORIGIN/${bin_to_lib}")
  install(TARGETS sutra RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${PROJECT_SOURCE_DIR}/docs/sutra.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${PROJECT_SOURCE_DIR}/completions/sutra.bash RENAME sutra
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${PROJECT_SOURCE_DIR}/completions/_sutra
          DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()

# pkg-config. Paths are relative to the file, so that a moved or staged installation works.
file(RELATIVE_PATH pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${PROJECT_SOURCE_DIR}/cmake/sutra.pc.in ${PROJECT_BINARY_DIR}/sutra.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sutra.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# CMake package: find_package(sutra) gives sutra::sutra (shared) and sutra::static.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sutra)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/sutraConfig.cmake.in
  ${PROJECT_BINARY_DIR}/sutraConfig.cmake INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sutraConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sutraConfig.cmake ${PROJECT_BINARY_DIR}/sutraConfigVersion.cmake
        DESTINATION ${package_dir})
