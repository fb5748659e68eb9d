#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# headers.sh CXX INCLUDE: the installed headers compile with nothing of the source tree in reach, without a warning. (That each does so
# alone is shown on the same files by tests/tidy.)
set -eu
cd "$2"
headers=$(find hawser -name '*.hpp' | sort)
[ "$(echo "$headers" | wc -l)" -gt 20 ]
echo "$headers" | sed 's/.*/#include <&>/' | "$1" -std=c++23 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I. -x c++ -
