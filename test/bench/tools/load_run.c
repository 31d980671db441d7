// Load: closed loop (each connection sends as soon as it is answered) or open loop (arrivals follow a
// schedule whatever the proxy does, and latency counts from the scheduled time).
#include "test/bench/tools/load.h"

#include <stdio.h>

#define DRAIN_NS 2000000000ull

struct run {
    uint64_t start_ns, from_ns, to_ns; // the measuring window is [from, to)
    bool sampled_from, sampled_to;
    struct lk_bench_cputime from, to;
    uint64_t issued, ended;       // over the whole run
    uint64_t completed, failures; // within the window
    double slot_ns;               // open loop: time between arrivals; 0: closed loop
    double offset;                // jitter of the next arrival, in slots
    struct lk_load_conn *idle_first, *idle_last;
    struct lk_bench_latency latency;
};

static bool run_bounded(const struct lk_load *load)
{
    return load->options.requests > 0;
}

static bool may_issue(const struct lk_load *load, const struct run *run)
{
    return run_bounded(load) ? run->issued < load->options.requests : !run->sampled_to;
}

static void idle_push(struct run *run, struct lk_load_conn *conn)
{
    conn->next_idle = NULL;
    if (run->idle_last)
        run->idle_last->next_idle = conn;
    else
        run->idle_first = conn;
    run->idle_last = conn;
}

static struct lk_load_conn *idle_pop(struct run *run)
{
    struct lk_load_conn *conn = run->idle_first;
    run->idle_first = conn->next_idle;
    if (!run->idle_first)
        run->idle_last = NULL;
    return conn;
}

static uint64_t next_due(const struct run *run)
{
    return run->start_ns + (uint64_t)(((double)run->issued + run->offset) * run->slot_ns);
}

// Sends every request whose time has come, as far as connections are free. The rest stays due.
static void issue_due(struct lk_load *load, uint64_t now)
{
    struct run *run = load->mode;
    while (run->idle_first && may_issue(load, run)) {
        uint64_t due = run->slot_ns > 0 ? next_due(run) : now;
        if (due > now)
            return;
        lk_load_conn_send(load, idle_pop(run), &load->request, run->issued, due);
        run->issued++;
        if (load->options.jitter)
            run->offset = (double)lk_load_random(load, 1000) / 1000;
    }
}

static void on_done(struct lk_load *load, struct lk_load_conn *conn, unsigned status)
{
    struct run *run = load->mode;
    uint64_t now = lk_bench_now_ns();
    run->ended++;
    if (run->sampled_from && !run->sampled_to)
        run->completed++;
    bool inside = conn->scheduled_ns >= run->from_ns && conn->scheduled_ns < run->to_ns;
    if (inside && status == 200)
        lk_bench_latency_record(&run->latency, now - conn->scheduled_ns);
    if (status != 200)
        run->failures++;
    if (run->slot_ns > 0 || !may_issue(load, run)) {
        idle_push(run, conn);
        return;
    }
    lk_load_conn_send(load, conn, &load->request, run->issued, now);
    run->issued++;
}

// Reads the CPU counters at the edges of the window.
static void sample(struct lk_load *load, uint64_t now)
{
    struct run *run = load->mode;
    if (!run->sampled_from && now >= run->from_ns) {
        lk_bench_cputime_read(&load->options.pids, &run->from);
        run->sampled_from = true;
        run->from_ns = now;
    }
    bool over = run_bounded(load) ? run->ended == load->options.requests : now >= run->to_ns;
    if (run->sampled_from && !run->sampled_to && over) {
        lk_bench_cputime_read(&load->options.pids, &run->to);
        run->sampled_to = true;
        run->to_ns = now;
    }
}

static uint64_t wake_time(const struct lk_load *load, const struct run *run)
{
    uint64_t until = run->sampled_from ? run->to_ns : run->from_ns;
    if (run->slot_ns > 0 && run->idle_first && may_issue(load, run)) {
        uint64_t due = next_due(run);
        if (due < until)
            until = due;
    }
    return until;
}

static void loop(struct lk_load *load)
{
    struct run *run = load->mode;
    uint64_t now = lk_bench_now_ns();
    while (!run->sampled_to) {
        sample(load, now);
        issue_due(load, now);
        if (!run->sampled_to)
            lk_load_turn(load, wake_time(load, run));
        now = lk_bench_now_ns();
    }
    uint64_t last = now + DRAIN_NS;
    while (run->ended < run->issued && lk_bench_now_ns() < last)
        lk_load_turn(load, last);
}

static void report(const struct lk_load *load, const struct run *run)
{
    double seconds = (double)(run->to_ns - run->from_ns) / 1e9;
    printf("{\"requests\": %llu, \"failures\": %llu, \"unfinished\": %llu, \"seconds\": %.4f, "
           "\"rps\": %.1f, \"connections_opened\": %llu, ",
           (unsigned long long)run->completed, (unsigned long long)run->failures,
           (unsigned long long)(run->issued - run->ended), seconds, (double)run->completed / seconds,
           (unsigned long long)load->opened);
    lk_bench_cputime_print(&run->from, &run->to, stdout);
    printf(", \"latency_us\": ");
    lk_bench_latency_print(&run->latency, stdout);
    printf("}\n");
}

int lk_load_run(struct lk_load *load)
{
    static struct run run;
    load->mode = &run;
    load->on_done = on_done;
    run.slot_ns = load->options.rate > 0 ? 1e9 / load->options.rate : 0;
    run.start_ns = lk_bench_now_ns();
    run.from_ns = run.start_ns;
    run.to_ns = run.start_ns + (uint64_t)600e9;
    if (!run_bounded(load)) {
        run.from_ns += (uint64_t)(load->options.warmup * 1e9);
        run.to_ns = run.from_ns + (uint64_t)(load->options.duration * 1e9);
    }
    for (unsigned i = 0; i < load->options.connections; i++)
        idle_push(&run, &load->conns[i]);
    loop(load);
    report(load, &run);
    return 0;
}
