#!/usr/bin/env bash
# Installs what is missing, builds lanekeeper and shows it at work: three services in three network
# namespaces that stand for pods, each with its own sidecar, and plain curl. What it prints about a
# call is read from the access logs of the sidecars, joined by request id and checked; it ends with
# an error when anything is not as it must be.
set -euo pipefail
export LC_ALL=C.UTF-8
PATH=/usr/sbin:/usr/bin:/sbin:/bin    # what Debian's packages bring, whatever else the machine has
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=docker/demo/pods.sh
. docker/demo/pods.sh

usage() {
    cat <<'TEXT'
Usage: docker/demo.sh [--keep | --clean]     as root, on Debian 12

  --keep     leave the pods running afterwards, and say how to explore them
  --clean    remove what an earlier --keep left, then stop

It makes and removes the network namespaces lk-demo-*, their folders /etc/netns/lk-demo-* and the
folder /var/lib/lanekeeper-demo, and touches no other namespace, interface or rule of the machine.
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
        fail "$state is there: the demo runs, or was kept; remove it with docker/demo.sh --clean"
    local name path
    for name in net "${pods[@]}"; do
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

stage_files() { # the sidecars run as uid 1337, which may not be able to read this checkout
    install -d "$state"
    install -m 755 "$1" "$state/lanekeeper"
    install -m 644 docker/demo/sidecar.yaml docker/demo/service.py "$state"
}

start_pods() {
    local pod
    for pod in "${pods[@]}"; do
        in_pod "$pod" docker/intercept || fail "docker/intercept failed in $pod"
        start_sidecar "$pod"
    done
    start_service frontend --calls "$url"
    start_service orders --calls http://stock:8080/stock
    start_service stock
    for pod in "${pods[@]}"; do
        wait_while_running "$(cat "$state/$pod/service.pid")" 10 service_listens "$pod" ||
            fail "the service of $pod did not start: $(cat "$state/$pod/service.log")"
        wait_while_running "$(sidecar_pid "$pod")" 20 sidecar_ready "$pod" ||
            fail "the sidecar of $pod is not ready: $(tail -n 20 "$state/$pod/sidecar.log")"
    done
}

show_pods() {
    local no_capabilities='CapPrm:0000000000000000 CapEff:0000000000000000 CapBnd:0000000000000000'
    local pod pid rights
    for pod in "${pods[@]}"; do
        pid=$(sidecar_pid "$pod")
        rights=$(awk '/^(Uid|Gid|Cap(Prm|Eff|Bnd)|NoNewPrivs):/ { print $1 $2 }' \
            "/proc/$pid/status")
        [ "$(tr '\n' ' ' <<<"$rights")" = "Uid:1337 Gid:1337 $no_capabilities NoNewPrivs:1 " ] ||
            fail "the sidecar of $pod has other rights than it should: $rights"
        good "$(printf '%-9s %s  %s   service: uid %d, port 8080   lanekeeper: uid %d, no rights' \
            "$pod" "$(address4 "$pod")" "$(address6 "$pod")" $service_uid $proxy_uid)"
    done
    line "${dim}docker/intercept sends what comes in to 15006, what goes out to 15001${plain}"
}

url=http://orders:8080/orders/42
call() { # makes the call; what came back is in answer.json
    in_pod frontend curl -sS --fail-with-body --max-time 10 "$url" >"$state/answer.json"
}

show_call() {
    printf '     %s$ curl --fail-with-body %s%s\n' "$bold" "$url" "$plain"
    printf '     %s\n' "$(cat "$state/answer.json")"
}

report() { python3 docker/demo/report.py "$@" || exit 1; }

show_working_call() {
    heading "A plain curl in the pod of frontend: orders answers, after asking stock"
    call || fail "curl failed: $(cat "$state/answer.json")"
    show_call
    echo
    report hops "$state" "$state/answer.json"
    line "${dim}orders is reached over IPv4, stock over IPv6${plain}"
    echo
    line "What the sidecars counted so far:"
    echo
    report stats "$state"
}

show_broken_call() {
    heading "The same curl while the sidecar of stock is stopped"
    stop_sidecar stock || fail "the sidecar of stock did not stop within 20 s of SIGTERM"
    service_answers stock || fail "the service of stock does not answer on its loopback"
    good "sidecar of stock stopped; the service itself still answers on its loopback"
    echo
    ! call 2>"$state/curl-error" || fail "the call succeeded: it did not pass the sidecar of stock"
    show_call
    line "$(cat "$state/curl-error")"
    echo
    report broken "$state" "$state/answer.json"
    echo
    start_sidecar stock
    wait_while_running "$(sidecar_pid stock)" 20 sidecar_ready stock ||
        fail "the sidecar of stock did not come back: $(tail -n 20 "$state/stock/sidecar.log")"
    good "sidecar of stock started again"
    call || fail "curl still fails: $(cat "$state/answer.json")"
    report hops --quiet "$state" "$state/answer.json"
}

show_how_to_explore() {
    heading "The pods are still there"
    cat <<TEXT
     a call        ip netns exec $prefix-frontend curl $url
     three hops    ip netns exec $prefix-orders curl http://frontend:8080/
     admin page    ip netns exec $prefix-orders curl 127.0.0.1:15000/
     statistics    ip netns exec $prefix-orders curl '127.0.0.1:15000/stats?usedonly&filter=cluster'
     access log    tail -f $state/orders/access.log
     the rules     ip netns exec $prefix-orders iptables -t nat -S
     remove all    docker/demo.sh --clean
TEXT
}

keep=no
case "${1:-}" in
'') ;;
--keep) keep=yes ;;
--clean)
    [ "$(id -u)" = 0 ] || fail "needs root; run it with sudo"
    if [ -e "$state" ]; then remove_pods; line "removed"; else line "nothing to remove"; fi
    exit
    ;;
-h | --help) usage; exit ;;
*) usage >&2; exit 2 ;;
esac

check_machine
printf '%slanekeeper%s beside three services\n' "$bold" "$plain"
heading "Packages"
docker/install.sh build intercept demo | sed 's/^/     /'
binary=${LANEKEEPER_BIN:-build/release/lanekeeper}
[ -n "${LANEKEEPER_BIN:-}" ] || build
heading "Three pods"
trap remove_pods EXIT
trap 'exit 130' INT TERM
stage_files "$binary"
make_pods
start_pods
show_pods
show_working_call
show_broken_call
if [ $keep = yes ]; then
    trap - EXIT
    show_how_to_explore
else
    remove_pods
    trap - EXIT
    echo
    good "everything removed   ${dim}(--keep leaves it running)${plain}"
fi
