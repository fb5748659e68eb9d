# SPDX-License-Identifier: Apache-2.0 OR MIT
# Cross-compiles with Debian's mingw-w64 (g++-mingw-w64-x86-64-posix). The floors base and proto know no operating system:
#   cmake -B build/windows -G Ninja -DCMAKE_TOOLCHAIN_FILE=cmake/mingw-w64.cmake -DHAWSER_TESTS=OFF -DHAWSER_CLI=OFF -DHAWSER_BENCH=OFF
#   ninja -C build/windows hawser_proto
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
