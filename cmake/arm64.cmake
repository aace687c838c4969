# Toolchain of the preset arm64: Debian's cross compiler, and QEMU to run what it makes. Libraries for arm64 are those
# that `tools/setup.sh arm64` unpacks into .cache/arm64; -cpu max has every level that base/cpu_features.h knows.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

set(arm64_root ${CMAKE_CURRENT_LIST_DIR}/../.cache/arm64)
cmake_path(NORMAL_PATH arm64_root)
set(CMAKE_FIND_ROOT_PATH ${arm64_root} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY BOTH) # pkg-config's paths begin with the root
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${arm64_root})
set(ENV{PKG_CONFIG_LIBDIR} ${arm64_root}/usr/lib/aarch64-linux-gnu/pkgconfig)

set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu
    -E LD_LIBRARY_PATH=${arm64_root}/usr/lib/aarch64-linux-gnu)
