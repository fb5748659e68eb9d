#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# public_names.sh NM STATIC_PACKAGE SHARED_PACKAGE LIBDIR: what the archives define and a public header declares is exported by the shared
# libraries too, so that HAWSER_API was forgotten nowhere. The classes and functions of the headers are taken from their text.
set -euo pipefail
export LC_ALL=C
nm=$1 static=$2 shared=$3 libdir=$4
work=$shared.names
mkdir -p "$work"
"$nm" --defined-only --extern-only --format=posix "$static/$libdir"/libhawser_*.a | awk '$2 ~ /[TBDR]/ {print $1}' | sort -u >"$work/defined"
"$nm" -D --defined-only --format=posix "$shared/$libdir"/libhawser{,_testing}.so | awk 'NF >= 2 {print $1}' | sort -u >"$work/exported"
comm -23 "$work/defined" "$work/exported" | c++filt | grep -vE '^(vtable|typeinfo|guard)' >"$work/hidden" || true

# Classes with a body, and functions at the margin of a header (members are indented); both with whatever stands before the name.
cat "$static"/include/hawser/*.hpp "$static"/include/hawser/*/*.hpp >"$work/headers"
classes=$(grep -oP '^(class|struct) (\[\[nodiscard\]\] )?(HAWSER_API )?\K[\w:]+(?= [^;]*\{)' "$work/headers" | sort -u)
functions=$(grep -oP '^(\[\[\w+\]\] )?(HAWSER_API )?(?!inline|template|class|struct|return|using|friend|else)[\w:<>&* ]+[ &*]\K\w+(?=\()' "$work/headers" | sort -u)
functions+=" $(grep -oP '^(HAWSER_API )?extern [^;\[]*[ *&]\K\w+(?=[;\[])' "$work/headers")"   # variables as well
[ "$(wc -w <<<"$classes")" -gt 40 ] && [ "$(wc -w <<<"$functions")" -gt 20 ]

# A function of a deeper namespace than the headers open is private, whatever it is called.
forgotten=$(awk -v classes="$classes" -v functions="$functions" '
  BEGIN {
    split(classes, list); for (i in list) { n = list[i]; sub(/.*::/, "", n); is_class[n] = 1 }
    split(functions, list); for (i in list) is_function[list[i]] = 1
  }
  {
    name = $0
    sub(/\(.*/, "", name); sub(/\[abi:.*/, "", name)
    gsub(/hawser::v[0-9]+::/, "hawser::", name)
    count = split(name, part, "::")
    space = ""
    for (i = 1; i < count && !(part[i] in is_class); ++i) space = space part[i] "::"
    if (space !~ /^hawser::((detail|io|proto|testing)::)?$/) next
    member = i < count
    is_free = !member && part[count] in is_function
    for (; i < count; ++i) member = member && part[i] in is_class
    if (member || is_free) print $0
  }' "$work/hidden")
echo "$(wc -l <"$work/defined") defined, $(wc -l <"$work/exported") exported, $(wc -l <"$work/hidden") hidden"
if [ -n "$forgotten" ]; then
  echo "public, and not exported (HAWSER_API is missing):"
  echo "$forgotten"
  exit 1
fi
