# shellcheck shell=bash
# A gray release: 0 %, testers, 5, 50 and 100 % of the users; one that aborts itself; a pressure
# test; the kill switch. Each step is a new version of one small table, which every lanekeeper
# watches as a mounted ConfigMap. Sourced by demo.sh; lanes.py makes the calls, checks and draws.

prefix=lk-lanes
state=/var/lib/lanekeeper-lanes
title="in a gray release, full link: gateway → shop → orders → stock"
first_number=15                   # so that the pods are in 10.77.0.16/28, and the users are not
pods=(users gateway shop-base shop-gray orders-base stock-base stock-gray)
later_pods=(shop-shadow stock-shadow orders-shadow)
# Addresses of services: nobody has them. Only a sidecar knows which pod is meant.
other_names=("10.77.0.101 shop" "10.77.0.102 orders" "10.77.0.103 stock")

# What the steps change of the table.
revision=0
enabled=true
testers=no
percent=none
guard=no
load_test=no
window=5                          # of the guard, in seconds

lane_table() {
    echo "revision: $revision"
    [ $enabled = true ] || echo "enabled: false"
    echo "lanes:"
    echo "- name: gray"
    [ $guard = no ] ||
        echo "  guard: { max_5xx_delta: 0.1, min_requests: 10, window: ${window}s }"
    [ $load_test = no ] || echo "- { name: shadow-load, kind: SHADOW }"
    echo "entry:"
    [ $load_test = no ] || cat <<YAML
- match: { secret_header: { name: x-load-test, value: not-for-everybody } }
  lane: shadow-load
YAML
    [ $testers = no ] || cat <<YAML
- match: { header: { name: x-user, in: [anna, ben] } }
  lane: gray
- match: { header: { name: x-preview, exact: "yes" } }
  lane: gray
YAML
    [ $percent = none ] || cat <<YAML
- split:
    key: { header: x-user }
    salt: release-7
    parts: { lane: gray, basis_points: $((percent * 100)) }
YAML
}

push() { # puts what the variables say in force, and shows what is new in it
    local table=$state/table.yaml
    [ ! -e "$table" ] || mv "$table" "$table.old"
    revision=$((revision + 1))
    lane_table >"$table"
    line "${dim}lanes.yaml$plain"
    if [ -e "$table.old" ]; then
        { diff -U0 "$table.old" "$table" || true; } | sed '/^---/d; /^+++/d; /^@@/d' |
            sed "s/^-.*/$red&$plain/; s/^+.*/$green&$plain/; s/^/     $dim│$plain /"
    else
        sed "s/^/     $dim│$plain /" "$table"
    fi
    put_in_force "$table"
    echo
}

put_in_force() { # FILE
    local pod wanted
    "$state/lanekeeper" --mode validate-lanes "$1" >/dev/null || fail "$1 is no good table"
    wanted=$(sed -n 's/^revision: *//p' "$1")
    swap_table "$1"
    for pod in $(sidecars); do
        wait_for 5 has_revision "$pod" "$wanted" ||
            fail "revision $wanted of the table did not come into force in $pod within 5 s"
    done
}

swap_table() { # FILE: as Kubernetes updates a ConfigMap that is mounted
    local folder=$state/lanes old version
    version=..$(date +%s%N)
    old=$(readlink "$folder/..data") || old=''
    mkdir "$folder/$version"
    cp "$1" "$folder/$version/lanes.yaml"
    ln -s "$version" "$folder/..new"
    mv -T "$folder/..new" "$folder/..data"
    [ -z "$old" ] || rm -r "${folder:?}/$old"
}

sidecars() { # those that run
    local file
    for file in "$state"/*/sidecar.pid; do
        [ ! -e "$file" ] || basename "${file%/*}"
    done
}

has_revision() { # POD REVISION
    in_pod "$1" curl -sf --max-time 2 '127.0.0.1:15000/stats?filter=lane.table_info.revision' |
        grep -qx "lane.table_info.revision: $2"
}

push_by_hand() { # FILE
    [ -e "$state/lanes" ] || fail "no pods are there; make them with $command --keep"
    put_in_force "$1"
    good "in force in $(sidecars | wc -l) lanekeepers: $(grep '^revision:' "$1")"
}

start_pod() { # POD: gateway, or a service and its version
    local service=() variables=()
    case $1 in
    gateway) install -m 644 docker/demo/lane_gateway.yaml "$state/gateway/sidecar.yaml" ;;
    shop-*) service=(--calls http://orders:8080/orders --forwards x-request-id) ;;
    orders-*) service=(--calls http://stock:8080/stock --forwards traceparent) ;;
    esac
    case $1 in
    *-gray) variables=(LANE=gray) ;;
    *-shadow) variables=(LANE=shadow-load) ;;
    esac
    if [ "$1" != gateway ]; then
        in_pod "$1" docker/intercept || fail "docker/intercept failed in $1"
        start_service "$1" "${service[@]}"
    fi
    start_sidecar "$1" "${variables[@]}"
}

# A pod that starts while the others run: they find it by its name, which is all that they are told.
add_pods() { # POD...
    local pod other
    for pod; do
        pods+=("$pod")
        make_pod "$pod"
        start_pod "$pod"
    done
    for pod; do
        wait_for_pod "$pod"
        check_rights "$pod"
        for other in "${pods[@]}"; do
            [ "$other" = "$pod" ] || pod_names "$pod" >>"/etc/netns/$prefix-$other/hosts"
        done
    done
}

show_pods() {
    local pod said
    for pod in "${pods[@]:1}"; do
        check_rights "$pod"
        case $pod in
        gateway) said="lanekeeper alone: asks the table which lane a user is in" ;;
        shop-*) said="calls orders, passes on x-request-id and nothing else" ;;
        orders-*) said="calls stock, passes on traceparent and nothing else; has no gray version" ;;
        *) said="calls nobody" ;;
        esac
        good "$(printf '%-12s %s   %s' "$pod" "$(address4 "$pod")" "$dim$said$plain")"
    done
    line "${dim}beside each service: lanekeeper as uid $proxy_uid, no rights, and docker/intercept;"
    line "that a pod is gray is said by its variable LANE and by the label of its endpoint$plain"
}

lanes() { python3 docker/demo/lanes.py "$state" "$@" || exit 1; }

break_stock_gray() { # EVERY: each such request fails with 500 from now on; 0: none
    local url="127.0.0.1:8080/-/break?every=$1"
    in_pod stock-gray curl -sf --max-time 5 -o /dev/null -X POST "$url" ||
        fail "the service of stock-gray cannot be reached"
}

start_all() { # BINARY
    local pod
    stage_files "$1" docker/demo/{service,users}.py
    install -m 644 docker/demo/lane_sidecar.yaml "$state/sidecar.yaml"
    mkdir "$state/lanes" "$state/steps"
    ln -s ..data/lanes.yaml "$state/lanes/lanes.yaml"
    make_pods
    for pod in "${pods[@]:1}"; do start_pod "$pod"; done
    for pod in "${pods[@]:1}"; do wait_for_pod "$pod"; done
}

show_all() { # BINARY
    heading "Pods: gateway, shop and stock in two versions, orders in one"
    start_all "$1"
    show_pods

    heading "0 %: the gray pods run, and serve nobody"
    push
    lanes release --step 0 --percent 0

    heading "Testers first: by name, or by a header"
    testers=yes
    push
    lanes release --step testers --testers gray --stranger --percent 0

    heading "5 % of the users"
    percent=5
    push
    lanes release --step 5 --testers gray --percent 5 --rounds 2 --after testers

    heading "50 %"
    percent=50
    push
    lanes release --step 50 --testers gray --percent 50 --rounds 2 --after 5

    heading "100 %"
    percent=100
    push
    lanes release --step 100 --testers gray --percent 100 --after 50

    heading "The next release aborts itself: at 5 %, half of what stock gray answers becomes 500"
    guard=yes
    percent=5
    push
    lanes abort --window $window

    heading "Mended, and armed again by a higher revision"
    break_stock_gray 0
    push
    lanes release --step mended --testers gray --percent 5 --same-as 5

    show_load_test
    show_kill_switch
    show_end
}

show_load_test() {
    heading "A pressure test beside it: shop and stock have shadow pods, orders has none"
    add_pods shop-shadow stock-shadow
    wait_for 10 shadow_is_known gateway shop ||
        fail "the gateway does not find shop-shadow"
    load_test=yes
    push
    lanes load --expect refused

    heading "Orders opts in: a shadow pod of it starts"
    add_pods orders-shadow
    wait_for 10 shadow_is_known shop-shadow orders ||
        fail "the sidecar of shop-shadow does not find orders-shadow"
    lanes load --expect flows
}

# The sidecar of pod $1 has found the shadow pod of service $2.
shadow_is_known() {
    in_pod "$1" curl -sf --max-time 2 127.0.0.1:15000/clusters |
        grep -q "^$2::$(address4 "$2-shadow"):8080::"
}

show_kill_switch() {
    heading "The kill switch, with 50 % in gray and the pressure test going on"
    percent=50
    push
    lanes release --step before --testers gray --percent 50 --after mended
    echo
    enabled=false
    push
    lanes release --step off --testers base --percent 0
    echo
    lanes load --expect off
}

show_end() {
    heading "What it took"
    lanes end --tables "$revision" --lines "$(wc -l <"$state/table.yaml")"
}

show_how_to_explore() {
    heading "The pods are still there"
    cat <<TEXT
     a user          ip netns exec $prefix-users curl -s -H 'x-user: user-7' gateway:8080
     a tester        ip netns exec $prefix-users curl -s -H 'x-user: anna' gateway:8080
     pressure test   ip netns exec $prefix-users curl -s -H 'x-load-test: not-for-everybody' gateway:8080
     lanes, a page   ip netns exec $prefix-gateway curl -s 127.0.0.1:15000/lanes
     counters        ip netns exec $prefix-gateway curl -s '127.0.0.1:15000/stats?filter=^lane'
     access log      tail -f $state/orders-base/access.log
     another table   cp $state/table.yaml my.yaml; edit my.yaml, a higher revision too; then
                     $command --push my.yaml
     remove all      $command --clean
TEXT
}
