#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# needing.sh PROGRAM PACKAGE COMMAND...: runs the command, or says why it is skipped.
command -v "$1" >/dev/null || { echo "SKIPPED: $1 IS MISSING (package $2)"; exit 77; }
shift 2
exec "$@"
