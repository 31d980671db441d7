# shellcheck shell=bash
# Network namespaces that stand for pods, joined by a bridge in one more: nothing of the host's
# network is touched. Sourced by demo.sh; $prefix, $state and $pods are set by what it shows. What
# was made is written down in $state, and only that is ever removed.

first_number=11                   # of the pods' addresses
service_uid=65534                 # the services run as nobody
proxy_uid=1337
no_rights=(--clear-groups --bounding-set=-all --no-new-privs)
later_pods=()                     # that are started when the others run already
other_names=()                    # further lines of the pods' /etc/hosts, "ADDRESS NAME"

address4() { echo "10.77.0.$(pod_number "$1")"; }
address6() { echo "fd77::$(pod_number "$1")"; }
pod_number() {
    local i
    for i in "${!pods[@]}"; do [ "${pods[i]}" != "$1" ] || echo $((i + first_number)); done
}

in_pod() { # POD COMMAND...: in its namespace, without the environment of who started the demo
    local pod=$1
    shift
    ip netns exec "$prefix-$pod" env -i PATH="$PATH" LC_ALL=C.UTF-8 "$@"
}

wait_for() { # SECONDS COMMAND...
    local tries=$(($1 * 20))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $((tries -= 1)) -gt 0 ] || return 1
        sleep 0.05
    done
}

# As wait_for, but over as soon as the process has ended.
wait_while_running() { # PID SECONDS COMMAND...
    local pid=$1 seconds=$2
    shift 2
    ends_or() { is_gone "$pid" || "$@"; }
    wait_for "$seconds" ends_or "$@" && is_running "$pid"
}

make_namespace() { # NAME
    ip netns add "$1" || return
    echo "$1" >>"$state/namespaces"
    ip -n "$1" link set lo up
}

make_pod() { # POD
    local ns=$prefix-$1 port
    port=pod-$(pod_number "$1")
    make_namespace "$ns"
    ip -n "$prefix-net" link add "$port" type veth peer name eth0 netns "$ns"
    ip -n "$prefix-net" link set "$port" master br0 up
    ip -n "$ns" link set eth0 up
    ip -n "$ns" address add "$(address4 "$1")/24" dev eth0
    ip -n "$ns" address add "$(address6 "$1")/64" dev eth0 nodad
    write_hosts "$ns"
    install -d -o $proxy_uid -g $proxy_uid "$state/$1"
}

write_hosts() { # NAMESPACE: ip netns exec shows these files to the pod in /etc
    local pod
    mkdir -p /etc/netns
    mkdir "/etc/netns/$1" # not -p: one that is there already is not ours
    echo "/etc/netns/$1" >>"$state/folders"
    {
        echo "127.0.0.1 localhost"
        echo "::1 localhost"
        for pod in "${pods[@]}"; do pod_names "$pod"; done
        printf '%s\n' "${other_names[@]}"
    } >"/etc/netns/$1/hosts"
    echo "nameserver 127.0.0.1" >"/etc/netns/$1/resolv.conf" # where nobody listens
}

pod_names() { printf '%s\n' "$(address4 "$1") $1" "$(address6 "$1") $1"; }

make_pods() {
    local pod
    make_namespace "$prefix-net"
    ip -n "$prefix-net" link add br0 type bridge
    ip -n "$prefix-net" link set br0 up
    for pod in "${pods[@]}"; do make_pod "$pod"; done
}

remove_pods() {
    local namespaces=() folders=() ns
    [ -d "$state" ] || return 0
    [ ! -e "$state/namespaces" ] || mapfile -t namespaces <"$state/namespaces"
    [ ! -e "$state/folders" ] || mapfile -t folders <"$state/folders"
    for ns in "${namespaces[@]}"; do end_processes "$ns"; done
    for ns in "${namespaces[@]}"; do ip netns del "$ns" 2>/dev/null || true; done
    rm -rf "${folders[@]}"
    rmdir /etc/netns 2>/dev/null || true
    rm -rf "$state"
}

end_processes() { # NAMESPACE: of a namespace that we made, so all of them are the demo's
    local pids=()
    mapfile -t pids < <(ip netns pids "$1" 2>/dev/null)
    [ ${#pids[@]} -gt 0 ] || return 0
    kill "${pids[@]}" 2>/dev/null || true
    wait_for 5 is_empty "$1" || kill -9 "${pids[@]}" 2>/dev/null || true
}

is_empty() { [ -z "$(ip netns pids "$1")" ]; }

# What runs in a pod.

start_service() { # POD [OPTION...]
    local pod=$1
    shift
    in_pod "$pod" setsid setpriv --reuid $service_uid --regid $service_uid "${no_rights[@]}" \
        python3 "$state/service.py" --name "$pod" "$@" </dev/null >"$state/$pod/service.log" 2>&1 &
    echo $! >"$state/$pod/service.pid"
}

start_sidecar() { # POD [VARIABLE=VALUE...]: with the configuration of all pods, or the pod's own
    local pod=$1 config=$state/sidecar.yaml
    shift
    [ ! -e "$state/$pod/sidecar.yaml" ] || config=$state/$pod/sidecar.yaml
    (
        cd "$state/$pod" || exit
        exec ip netns exec "$prefix-$pod" env -i PATH="$PATH" "$@" \
            setsid setpriv --reuid $proxy_uid --regid $proxy_uid "${no_rights[@]}" \
            "$state/lanekeeper" -c "$config" \
            --service-cluster "$pod" --service-node "$pod" --concurrency 1 \
            --drain-time-s 1 --file-flush-interval-msec 100 --disable-hot-restart
    ) </dev/null >>"$state/$pod/sidecar.log" 2>&1 &
    echo $! >"$state/$pod/sidecar.pid"
}

sidecar_pid() { cat "$state/$1/sidecar.pid"; }
is_running() { [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status"; }
is_gone() { ! is_running "$1"; }

stop_sidecar() { # POD: as Kubernetes does, by SIGTERM
    kill "$(sidecar_pid "$1")"
    wait_for 20 is_gone "$(sidecar_pid "$1")"
}

service_answers() { in_pod "$1" curl -sf --max-time 2 -o /dev/null http://127.0.0.1:8080/; }
service_listens() { in_pod "$1" ss -ltnH 'sport = :8080' | grep -q .; }
sidecar_ready() { in_pod "$1" curl -sf --max-time 2 -o /dev/null http://127.0.0.1:15000/ready; }
