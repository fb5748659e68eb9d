#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs the two message examples against each other over TCP: message_pair.sh SERVER CLIENT
set -euo pipefail
coproc server { exec "$1" 127.0.0.1:0; }
server_pid=$server_PID
trap 'kill "$server_pid" 2>/dev/null || true' EXIT
read -r -t 20 where <&"${server[0]}"
for turn in 1 2 3; do
  answer=$("$2" "$where") && [[ $answer == ahoy ]] || { echo "client $turn did not get its message back from $where" >&2; exit 1; }
done
echo "three clients got their message back from $where"
