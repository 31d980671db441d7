# shellcheck shell=bash
# A call through three services, and the same call while a sidecar is stopped. Sourced by demo.sh.

prefix=lk-demo
state=/var/lib/lanekeeper-demo    # /run and /tmp are often mounted without the right to execute
pods=(frontend orders stock)
title="beside three services"

show_all() { # BINARY
    heading "Three pods"
    stage_files "$1" docker/demo/sidecar.yaml docker/demo/service.py
    make_pods
    start_pods
    show_pods
    show_working_call
    show_broken_call
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
    for pod in "${pods[@]}"; do wait_for_pod "$pod"; done
}

show_pods() {
    local pod
    for pod in "${pods[@]}"; do
        check_rights "$pod"
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

