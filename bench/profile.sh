#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Where the time of one workload goes, on each side: profile.sh HAWSER WORKLOAD [ARGUMENTS OF hawser bench]
# Samples both processes by perf, hawser alone, and prints two tables in Markdown: whose code ran, and the
# functions in which most time was. Exit code 1 when nothing could be sampled.
set -euo pipefail

(($# >= 2)) || { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }
program=$1
shift
samples=$(mktemp)
trap 'rm -f "$samples" "$samples.said"' EXIT

arguments=("$@" --only hawser --runs 2 --milliseconds 1500)
[[ " $* " == *' --engine '* ]] || arguments+=(--engine epoll)
[[ " $* " == *' --wait '* ]] || arguments+=(--wait spin)
if ! perf record --quiet --output "$samples" --sample-cpu --freq 4999 -- "$program" bench "${arguments[@]}" >"$samples.said" 2>&1; then
  tail -n 5 "$samples.said" >&2
  echo "profile: nothing was sampled; perf needs root, or kernel.perf_event_paranoid of 0 or less" >&2
  exit 1
fi
printf '%s\n\n' "$(basename "$program") bench ${arguments[*]}"

# The client is pinned to core 0, the server to core 1. One line for each core and function: percent|core|symbol.
perf report --input "$samples" --comms hawser --sort cpu,sym --field-separator '|' --stdio 2>/dev/null | grep -v '^#' | awk -F '|' '
  function whose(symbol) {
    if (symbol ~ /^\[k\]/) return "kernel"
    if (symbol ~ /hawser::bench::|hawser::payload/) return "the bench: its handlers and clocks"
    if (symbol ~ /hawser::v0::proto::/) return "protocol"
    if (symbol ~ /hawser::v0::io::/) return "engine"
    if (symbol ~ /hawser::v0::detail::(peer|channel|call|served|serve|core|registry|lane|stream)|hawser::v0::(peer|connection|channel|request|reply|remote_sender)/) return "peer"
    if (symbol ~ /hawser::v0::/) return "base, link and tasks"
    return "the C and C++ libraries"
  }
  NF >= 3 {
    percent = $1 + 0; side = $2 + 0
    symbol = $3
    for (i = 4; i <= NF; ++i) symbol = symbol "|" $i
    sub(/^ +/, "", symbol); sub(/ +$/, "", symbol)
    all[side] += percent
    part[side, whose(symbol)] += percent
    parts[whose(symbol)]
    if (listed[side] < 12) {
      sub(/^\[k\] +/, "kernel: ", symbol); sub(/^\[.\] +/, "", symbol); gsub(/hawser::v0::/, "", symbol); gsub(/\(anonymous namespace\)::/, "", symbol)
      sub(/std::move_only_function<.*bench::own::.*/, "the handler of the bench", symbol)
      name[side, ++listed[side]] = symbol; cost[side, listed[side]] = percent
    }
  }
  END {
    if (!all[0] || !all[1]) exit 1
    print "| % of | client | server |"; print "|---|---|---|"
    count = split("kernel|engine|base, link and tasks|protocol|peer|the bench: its handlers and clocks|the C and C++ libraries", order, "|")
    for (i = 1; i <= count; ++i)
      if (order[i] in parts) printf "| %s | %.0f | %.0f |\n", order[i], 100 * part[0, order[i]] / all[0], 100 * part[1, order[i]] / all[1]
    print "\n| client, % | server, % |"; print "|---|---|"
    for (i = 1; i <= 12; ++i) printf "| %.1f `%s` | %.1f `%s` |\n", 100 * cost[0, i] / all[0], name[0, i], 100 * cost[1, i] / all[1], name[1, i]
  }' || { echo "profile: nothing was sampled of one of the sides" >&2; exit 1; }
