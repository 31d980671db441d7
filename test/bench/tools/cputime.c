// CPU time of other processes and of whole cores.
#include "test/bench/tools/cputime.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

static uint64_t read_schedstat(pid_t pid, const char *task)
{
    char path[320];
    snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, task);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    unsigned long long run = 0;
    if (fscanf(file, "%llu", &run) != 1)
        run = 0;
    fclose(file);
    return run;
}

static uint64_t read_tasks(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    uint64_t run = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] != '.')
            run += read_schedstat(pid, entry->d_name);
    }
    closedir(dir);
    return run;
}

static void read_ticks(pid_t pid, struct lk_bench_cputime *sample)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = 0;
    // The command name may hold anything; fields are counted from its closing parenthesis.
    const char *after = strrchr(text, ')');
    unsigned long long user = 0, system = 0;
    if (after && sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) == 2) {
        sample->user += user;
        sample->system += system;
    }
}

static void read_cores(struct lk_bench_cputime *sample)
{
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return;
    char line[512];
    while (fgets(line, sizeof(line), file)) {
        unsigned core = 0;
        unsigned long long v[8] = {0};
        if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &core, &v[0], &v[1], &v[2], &v[3], &v[4],
                   &v[5], &v[6], &v[7]) != 9 ||
            core >= LK_BENCH_MAX_CORES)
            continue;
        struct lk_bench_cpu_core *c = &sample->core[core];
        c->busy = v[0] + v[1] + v[2] + v[5] + v[6];
        c->steal = v[7];
        c->total = c->busy + v[3] + v[4] + v[7];
        if (core >= sample->cores)
            sample->cores = core + 1;
    }
    fclose(file);
}

void lk_bench_cputime_read(const struct lk_bench_pids *pids, struct lk_bench_cputime *sample)
{
    memset(sample, 0, sizeof(*sample));
    read_cores(sample);
    for (unsigned i = 0; i < pids->count; i++) {
        read_ticks(pids->pid[i], sample);
        sample->run_ns += read_tasks(pids->pid[i]);
    }
}

static double share(uint64_t part, uint64_t total)
{
    return total ? (double)part / (double)total : 0;
}

void lk_bench_cputime_print(const struct lk_bench_cputime *from, const struct lk_bench_cputime *to, FILE *out)
{
    double tick_ms = 1e3 / (double)sysconf(_SC_CLK_TCK);
    fprintf(out, "\"cpu_ns\": %llu, \"user_ms\": %.0f, \"system_ms\": %.0f, \"cores\": [",
            (unsigned long long)(to->run_ns - from->run_ns), (double)(to->user - from->user) * tick_ms,
            (double)(to->system - from->system) * tick_ms);
    for (unsigned i = 0; i < to->cores; i++) {
        uint64_t total = to->core[i].total - from->core[i].total;
        fprintf(out, "%s{\"busy\": %.3f, \"steal\": %.3f}", i ? ", " : "",
                share(to->core[i].busy - from->core[i].busy, total),
                share(to->core[i].steal - from->core[i].steal, total));
    }
    fprintf(out, "]");
}
