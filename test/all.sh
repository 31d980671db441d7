#!/usr/bin/env bash
# Installs what is missing and runs every test, stage by stage. The last line: "N passed, N failed".
#
#   sudo test/all.sh                   everything, in the order of all_stages below
#   test/all.sh unit e2e               only these; what they need must have been installed and built
#
# FUZZ_SECONDS (10) is the time for each fuzz target, LANEKEEPER the binary for e2e and netns
# (build/release/lanekeeper).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH    # Debian's tools before any other
export LC_ALL=C.UTF-8
# shellcheck source=test/support/stages.sh
. test/support/stages.sh

all_stages=(packages python unit asan tsan clang lint release e2e netns demo fuzz)
venv=build/venv

build() { # PRESET [TARGET...]
    local preset=$1
    shift
    cmake --preset "$preset"
    cmake --build --preset "$preset" ${1:+--target "$@"}
}

run_ctest() { # PRESET [OPTION...]
    local preset=$1
    shift
    ctest --preset "$preset" --output-on-failure -j "$(nproc)" "$@"
}

run_pytest() { # FOLDER
    local binary=${LANEKEEPER:-build/release/lanekeeper}
    [ -x "$binary" ] || { echo "no $binary: run the stage release, or set LANEKEEPER"; return 1; }
    LANEKEEPER=$(readlink -f "$binary") "$venv/bin/python" -m pytest "$1"
}

stage_packages() { docker/install.sh build intercept demo test; }

stage_python() {
    local wanted
    wanted=$(sha256sum <test/requirements.txt)
    [ "$(cat $venv/installed 2>/dev/null)" != "$wanted" ] || return 0
    /usr/bin/python3 -m venv --clear $venv
    $venv/bin/pip install --disable-pip-version-check --quiet -r test/requirements.txt
    echo "$wanted" >$venv/installed
}

stage_unit() { build dev; run_ctest dev; }
stage_asan() { build asan; run_ctest asan -LE lint; }
stage_tsan() { build tsan; run_ctest tsan -LE lint; }
stage_clang() { build clang; run_ctest clang -LE lint; }

stage_lint() {
    build clang # tidy reads the generated headers
    build clang tidy
    shellcheck -x docker/{demo,install,rootfs}.sh docker/intercept test/all.sh test/bench/run.sh .ci/run
}

stage_release() { cmake --preset release -DLANEKEEPER_TESTS=OFF; cmake --build --preset release; }
stage_e2e() { run_pytest test/e2e; }

need_root() {
    [ "$(id -u)" = 0 ] || { echo "needs root for network namespaces; run it with sudo"; return 1; }
}

stage_netns() { need_root; run_pytest test/netns; }
stage_demo() { need_root; docker/demo.sh; } # that of lanes is run by test/netns/test_demo_lanes.py

stage_fuzz() {
    local source name names=()
    for source in test/fuzz/fuzz_*.c; do
        name=${source##*/fuzz_}
        names+=("${name%.c}")
    done
    build fuzz "${names[@]/#/fuzz_}"
    run_ctest fuzz -L fuzz
    for name in "${names[@]}"; do
        mkdir -p "build/fuzz/found/$name"
        "build/fuzz/fuzz/fuzz_$name" -max_total_time="${FUZZ_SECONDS:-10}" -timeout=10 \
            -rss_limit_mb=2048 -artifact_prefix="build/fuzz/found/$name-" \
            "build/fuzz/found/$name" "test/fuzz/corpus/$name"
    done
}

[ $# -gt 0 ] || set -- "${all_stages[@]}"
for name; do
    [ "$(type -t "stage_$name")" = function ] || {
        echo "test/all.sh: no stage '$name'; there are: ${all_stages[*]}" >&2
        exit 2
    }
done
for name; do run_stage "$name"; done
echo
closing_line
