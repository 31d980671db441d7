#!/usr/bin/env bash
# Installs what is missing, builds lanekeeper and shows it at work: services in network namespaces
# that stand for pods, each with its own sidecar. What it prints about calls is read from the access
# logs of the sidecars, joined by request id and checked; it ends with an error when anything is not
# as it must be. What is shown: docker/demo/call.sh, or with "lanes" docker/demo/lanes.sh.
set -euo pipefail
export LC_ALL=C.UTF-8
PATH=/usr/sbin:/usr/bin:/sbin:/bin    # what Debian's packages bring, whatever else the machine has
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=docker/demo/pods.sh
. docker/demo/pods.sh

usage() {
    cat <<'TEXT'
Usage: docker/demo.sh [--keep | --clean]                        as root, on Debian 12
       docker/demo.sh lanes [--keep | --clean | --push FILE]

             a call through three services
  lanes      a gray release from 0 to 100 % of the users, one that aborts itself, a pressure test

  --keep     leave the pods running afterwards, and say how to explore them
  --clean    remove what an earlier --keep left, then stop
  --push     put the lane table FILE in force in the pods that were kept, then stop

It makes and removes the network namespaces lk-demo-* (lk-lanes-*), their folders in /etc/netns and
the folder /var/lib/lanekeeper-demo (-lanes), and touches no other namespace, interface or rule of
the machine.
TEXT
}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' green='' red='' plain=''
fi
step=0
heading() { printf '\n%s  %d  %s%s\n\n' "$bold" $((step += 1)) "$*" "$plain"; }
line() { printf '     %s\n' "$*"; }
good() { printf '     %s✓%s %s\n' "$green" "$plain" "$*"; }
fail() {
    printf '\n%sdemo: %s%s\n' "$red" "$*" "$plain" >&2
    exit 1
}

check_machine() {
    [ "$(id -u)" = 0 ] || fail "needs root to make network namespaces; run it with sudo"
    [ -e /proc/net/if_inet6 ] || fail "this kernel has no IPv6, which a part of the demo uses"
    [ ! -e "$state" ] ||
        fail "$state is there: the demo runs, or was kept; remove it with $command --clean"
    local name path
    for name in net "${pods[@]}" "${later_pods[@]}"; do
        for path in "/run/netns/$prefix-$name" "/etc/netns/$prefix-$name"; do
            [ ! -e "$path" ] || fail "$path is there, and this demo did not make it"
        done
    done
}

build() {
    heading "Build"
    mkdir -p build
    local begin=$SECONDS log=build/demo-build.log
    line "cmake --preset release && cmake --build --preset release   ${dim}(output in $log)${plain}"
    build_release >$log 2>&1 </dev/null || {
        tail -n 30 $log >&2
        fail "the build failed"
    }
    good "$("$binary" --version 2>&1 | grep -m 1 .)   ${dim}in $((SECONDS - begin)) s${plain}"
}

build_release() { # the tests need packages that the demo does not install
    cmake --preset release -DLANEKEEPER_TESTS=OFF && cmake --build --preset release
}

# The sidecars run as uid 1337, which may not be able to read this checkout.
stage_files() { # BINARY FILE...
    install -d "$state"
    install -m 755 "$1" "$state/lanekeeper"
    install -m 644 "${@:2}" "$state"
}

wait_for_pod() { # POD: until its service listens and its sidecar is ready
    local service
    service=$(cat "$state/$1/service.pid" 2>/dev/null) || service=''
    [ -z "$service" ] || wait_while_running "$service" 10 service_listens "$1" ||
        fail "the service of $1 did not start: $(cat "$state/$1/service.log")"
    wait_while_running "$(sidecar_pid "$1")" 20 sidecar_ready "$1" ||
        fail "the sidecar of $1 is not ready: $(tail -n 20 "$state/$1/sidecar.log")"
}

check_rights() { # POD: its sidecar is uid 1337 and has no capability
    local no_capabilities='CapPrm:0000000000000000 CapEff:0000000000000000 CapBnd:0000000000000000'
    local rights
    rights=$(awk '/^(Uid|Gid|Cap(Prm|Eff|Bnd)|NoNewPrivs):/ { print $1 $2 }' \
        "/proc/$(sidecar_pid "$1")/status")
    [ "$(tr '\n' ' ' <<<"$rights")" = "Uid:1337 Gid:1337 $no_capabilities NoNewPrivs:1 " ] ||
        fail "the sidecar of $1 has other rights than it should: $rights"
}

command=docker/demo.sh
if [ "${1:-}" = lanes ]; then
    shift
    command+=" lanes"
    # shellcheck source=docker/demo/lanes.sh
    . docker/demo/lanes.sh
else
    # shellcheck source=docker/demo/call.sh
    . docker/demo/call.sh
fi

need_root() { [ "$(id -u)" = 0 ] || fail "needs root; run it with sudo"; }

keep=no
case "${1:-}" in
'') ;;
--keep) keep=yes ;;
--clean)
    need_root
    if [ -e "$state" ]; then remove_pods; line "removed"; else line "nothing to remove"; fi
    exit
    ;;
--push)
    if [ "$command" = docker/demo.sh ] || [ -z "${2:-}" ]; then usage >&2; exit 2; fi
    need_root
    push_by_hand "$2"
    exit
    ;;
-h | --help) usage; exit ;;
*) usage >&2; exit 2 ;;
esac

check_machine
printf '%slanekeeper%s %s\n' "$bold" "$plain" "$title"
heading "Packages"
docker/install.sh build intercept demo | sed 's/^/     /'
binary=${LANEKEEPER_BIN:-build/release/lanekeeper}
[ -n "${LANEKEEPER_BIN:-}" ] || build
trap remove_pods EXIT
trap 'exit 130' INT TERM
show_all "$binary"
if [ $keep = yes ]; then
    trap - EXIT
    show_how_to_explore
else
    remove_pods
    trap - EXIT
    echo
    good "everything removed   ${dim}(--keep leaves it running)${plain}"
fi
