# shellcheck shell=bash
# Runs named stages one after the other, each with its output in a log of its own, and adds up what
# the test runners counted. Sourced by test/all.sh, which defines a function stage_<name> for each.

log_folder=build/test-logs
passed=0 failed=0

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' green='' red='' plain=''
fi

# The numbers in what ctest ("1 tests failed out of 23") and pytest ("3 failed, 120 passed in 9s")
# say at their end.
count_results() { # LOG
    local total bad word number
    while read -r bad total; do
        passed=$((passed + total - bad)) failed=$((failed + bad))
    done < <(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests? failed out of ([0-9]+)$/\1 \2/p' \
        "$1")
    while read -r number word; do
        case $word in
        passed | xfailed) passed=$((passed + number)) ;;
        failed | error | errors | xpassed) failed=$((failed + number)) ;;
        esac
    done < <(grep -E '^[^a-z]*[0-9]+ (passed|failed|errors?|skipped).* in [0-9.]+s' "$1" |
        grep -oE '[0-9]+ (passed|failed|errors?|xfailed|xpassed)')
}

describe_results() { # LOG PASSED-BEFORE
    local skipped
    skipped=$(sed -nE '/ in [0-9.]+s/s/.* ([0-9]+) skipped.*/\1/p' "$1" |
        awk '{ n += $1 } END { print n + 0 }')
    [ $((passed - $2)) -eq 0 ] || printf ', %d passed' $((passed - $2))
    [ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
}

closing_line() { printf '%d passed, %d failed\n' "$passed" "$failed"; }

# Stops the whole run at the first stage that fails, with the end of its log. A stage that fails
# without a test runner saying so (a compiler, a checker) counts as one failure.
run_stage() { # NAME
    local name=$1 log=$log_folder/$1.log begin=$SECONDS status
    local before_passed=$passed before_failed=$failed
    mkdir -p "$log_folder"
    printf '%s== %-8s%s ' "$bold" "$name" "$plain"
    set +e # not "|| status=$?": that would switch it off within the stage too
    (set -euo pipefail; "stage_$name") >"$log" 2>&1 </dev/null
    status=$?
    set -e
    count_results "$log"
    if [ $status -eq 0 ] && [ $failed -eq "$before_failed" ]; then
        printf '%sok%s      %4d s%s\n' "$green" "$plain" $((SECONDS - begin)) \
            "$(describe_results "$log" "$before_passed")"
        return
    fi
    [ $failed -gt "$before_failed" ] || failed=$((failed + 1))
    printf '%sFAILED%s  %4d s   the end of %s:\n\n' "$red" "$plain" $((SECONDS - begin)) "$log"
    tail -n 150 "$log"
    echo
    closing_line
    exit 1
}
