#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# exports.sh NM LIBRARIES: the shared libraries export names of namespace hawser and nothing else, and of the private parts none.
set -eu
status=0
for library in "$2"/libhawser.so "$2"/libhawser_testing.so; do
  symbols=$("$1" -D --defined-only --format=posix "$library" | awk '{print $1}')
  [ "$(echo "$symbols" | wc -l)" -gt 20 ] || { echo "$library exports next to nothing"; status=1; }
  if echo "$symbols" | grep -vE '^_Z(N|NK|TVN|TIN|TSN|Thn[0-9]+_N)6hawser2v0'; then
    echo "$library: these names are not hawser's"
    status=1
  fi
  # What headers only declare (HAWSER_LOCAL), and what they do not know. Arguments may be of such types; members of them are not exported.
  if echo "$symbols" | c++filt | sed 's/(.*//' |
      grep -E '::(parts|race|parked|state|mux|world|sockets|epoll_engine|timer_heap)::|io_uring|boost'; then
    echo "$library: these names are private"
    status=1
  fi
done
readelf -d "$2"/libhawser.so | grep -qE 'SONAME.*libhawser\.so\.[0-9]+\.[0-9]+\]' || { echo "no versioned SONAME"; status=1; }
exit $status
