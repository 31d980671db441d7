#!/bin/sh
# Formats every C file of the tree with clang-format 14, or with --check only says which ones differ.
set -eu
cd "$(dirname "$0")/../.."
tool=$(command -v clang-format-14 || command -v clang-format)
case "$("$tool" --version)" in
*"version 14."*) ;;
*)
    echo "format.sh: needs clang-format 14, whose output the tree is kept in" >&2
    exit 2
    ;;
esac
mode=-i
if [ "${1:-}" = --check ]; then
    mode="--dry-run --Werror"
fi
find proxy filters xds certs test \( -name '*.c' -o -name '*.h' \) -print0 | xargs -0 -r "$tool" $mode
