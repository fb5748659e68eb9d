#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# archive_symbols.sh NM LIBRARIES: what the archives define for others to see is hawser's, or an instance of the standard library's
# templates that every object file may bring along (weak).
set -eu
symbols=$("$1" --defined-only --extern-only --format=posix "$2"/libhawser_*.a | awk 'NF >= 2 && $2 != "W" && $2 != "V" && $2 != "u" {print $1}')
[ "$(echo "$symbols" | wc -l)" -gt 300 ]
if echo "$symbols" | grep -vE '^_Z(N|NK|TVN|TIN|TSN|Thn[0-9]+_N)6hawser2v0'; then
  echo "these names are not hawser's"
  exit 1
fi
