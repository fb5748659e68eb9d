#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# pkg_config.sh CXX PACKAGE EXAMPLES WORK [--static]: the command lines of a Makefile.
set -eu
cxx=$1 package=$2 examples=$3 work=$4
shift 4
command -v pkg-config >/dev/null || { echo "SKIPPED: pkg-config is missing"; exit 77; }
PKG_CONFIG_PATH=$(dirname "$(find "$package" -name hawser.pc)")
export PKG_CONFIG_PATH
mkdir -p "$work"
for pair in hello:hawser drive_by_hand:hawser-proto simulated_network:hawser-testing; do
  program=${pair%:*} modules=${pair#*:}
  [ "$modules" != hawser-testing ] || modules="hawser hawser-testing"
  set -x
  $cxx -std=c++23 $(pkg-config --cflags $modules) "$examples/$program.cpp" -o "$work/$program" $(pkg-config "$@" --libs $modules)
  LD_LIBRARY_PATH=$(pkg-config --variable=libdir hawser) "$work/$program"
  set +x
done
[ "$(pkg-config --modversion hawser)" = "$(pkg-config --modversion hawser-base)" ]
