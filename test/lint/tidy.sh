#!/bin/sh
# Runs clang-tidy over the product code. Arguments: the build folder with compile_commands.json, then
# optionally the files to look at (default: all).
set -eu
cd "$(dirname "$0")/../.."
build=$1
shift
tool=$(command -v clang-tidy-14 || command -v clang-tidy)
if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046
    set -- $(find proxy filters xds certs -name '*.c')
fi
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 4 "$tool" -p "$build" --quiet
