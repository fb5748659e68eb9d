#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# check.sh PROGRAM RECORD [--write]: counts, with callgrind, the instructions that bench_costs executes for each piece of work on both sides
# together, and compares them with the record. What is not of the work itself (starting, connecting) drops out: it is the difference of
# two runs, one three times as long. Exit 1 when one has grown by more than 2 %. --write makes the record anew.
set -euo pipefail

program=$1 record=$2 mode=${3:-}
declare -A counts=([messages]=20000 [channel-messages]=20000 [spread-messages]=20000 [fan-out]=40000 [round-trips]=600 [requests]=1280
                   [streamed]=320 [blocks]=300)

instructions() {  # JOB COUNT
  local out
  out=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1) || { echo "$out" >&2; return 1; }
  sed -n 's/,//g; s/.*Collected : \([0-9]*\).*/\1/p' <<<"$out"
}

if ! command -v valgrind >/dev/null; then
  echo "SKIPPED: valgrind is not installed; nothing was counted"
  exit 77
fi
worse=0 lines=()
printf '%-16s %14s %14s %8s\n' 'work' 'instructions' 'recorded' ''
for job in messages channel-messages spread-messages fan-out round-trips requests streamed blocks; do
  n=${counts[$job]}
  once=$(instructions "$job" "$n")
  thrice=$(instructions "$job" $((3 * n)))
  each=$(((thrice - once) / (2 * n)))
  lines+=("$job $each")
  was=$(sed -n "s/^$job //p" "$record" 2>/dev/null || true)
  verdict=
  if [[ -z $was ]]; then
    verdict='not recorded'
    worse=1
  elif ((each * 100 > was * 102)); then
    verdict="grown by $(((each - was) * 100 / was)) %"
    worse=1
  elif ((each * 100 < was * 95)); then
    verdict='less: worth recording'
  fi
  printf '%-16s %14d %14s %s\n' "$job" "$each" "${was:-}" "$verdict"
done
if [[ $mode == --write ]]; then
  {
    echo '# Instructions of one piece of work on both sides, -O3, g++ 12 (bench/costs/check.sh --write makes this).'
    printf '%s\n' "${lines[@]}"
  } >"$record"
  exit 0
fi
if ((worse)); then
  echo "If it is meant: bench/costs/check.sh $program $record --write, and say why in the commit." >&2
  exit 1
fi
