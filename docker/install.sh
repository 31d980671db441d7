#!/usr/bin/env bash
# Installs the Debian packages of sections of packages.txt (build, intercept, demo, test), after
# saying which. Packages that are there already are left alone, and no service is started by what it
# installs.
set -euo pipefail

usage="usage: install.sh [--list] SECTION...   (--list prints the packages and stops)"
packages=$(dirname "$(readlink -f "$0")")/packages.txt

section_packages() { # SECTION...
    local section
    for section; do
        if ! grep -q "^$section " "$packages"; then
            echo "install.sh: no section '$section' in packages.txt" >&2
            return 2
        fi
        sed -n "s/^$section //p" "$packages"
    done | sort -u
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = 'ii ' ]; }

# Debian starts a daemon as soon as it is installed; a peer of our tests must not take port 80 of
# the machine.
policy=/usr/sbin/policy-rc.d
hold_services() {
    [ -e $policy ] && return
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f $policy' EXIT
}

disable_services() { # PACKAGE...
    local name
    command -v systemctl >/dev/null || return 0
    for name; do
        case $name in
        nginx* | haproxy) systemctl disable --quiet "${name%%-*}" 2>/dev/null || true ;;
        esac
    done
}

list=no
if [ "${1:-}" = --list ]; then list=yes; shift; fi
[ $# -gt 0 ] || { echo "$usage" >&2; exit 2; }
wanted=$(section_packages "$@")
if [ $list = yes ]; then echo "$wanted"; exit; fi

missing=()
for name in $wanted; do is_installed "$name" || missing+=("$name"); done
if [ ${#missing[@]} -eq 0 ]; then
    echo "Packages for $*: all $(wc -w <<<"$wanted") are installed."
    exit
fi

echo "Packages for $*: ${#missing[@]} will be installed: ${missing[*]}"
[ "$(id -u)" = 0 ] || { echo "install.sh: needs root; run it with sudo" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
hold_services
install_missing() { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; }
if ! install_missing >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "install.sh: apt-get failed; its whole output is in $log" >&2
    exit 1
fi
rm -f "$log"
disable_services "${missing[@]}"
