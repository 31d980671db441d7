#!/bin/sh
# Checks supported_fields.txt and writes its table, sorted by message name.
# usage: supported_fields.sh <supported_fields.txt> <list of generated .pb-c.c files> <output header>
set -eu
export LC_ALL=C
work="$3.work"
rm -rf "$work"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"
tr '\n' '\0' <"$2" | xargs -0 cat >"$work/sources.c"
awk -v rows="$work/rows" -f "$(dirname "$0")/supported_fields.awk" "$work/sources.c" "$1"
{
    echo "/* Generated from supported_fields.txt, sorted by message name. */"
    sort "$work/rows" | awk '{ print "extern const ProtobufCMessageDescriptor " $2 ";" }'
    echo "static const struct policy policies[] = {"
    sort "$work/rows" | cut -d' ' -f2- | sed 's/^\([^ ]*\) /    {\&\1, /;s/$/},/'
    echo "};"
} >"$3.tmp"
mv "$3.tmp" "$3"
