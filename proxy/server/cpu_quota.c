/* How many workers this container can keep busy: the cgroup's CPU quota (v2 cpu.max, v1 cfs_quota) and the affinity
 * mask. */
#include "proxy/base/mem.h"
#include "proxy/server/server_internal.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static bool read_line(const char *path, char *out, int cap)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool ok = fgets(out, cap, file) != NULL;
    fclose(file);
    return ok;
}

/* CPUs of the quota, rounded up; 0: no quota. */
static unsigned quota(void)
{
    char line[128];
    long long max = 0;
    long long period = 0;
    if (read_line("/sys/fs/cgroup/cpu.max", line, sizeof(line))) {
        char *end;
        max = strtoll(line, &end, 10); /* "max" reads as 0: no quota */
        period = strtoll(end, NULL, 10);
    } else if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof(line))) {
        max = strtoll(line, NULL, 10);
        if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", line, sizeof(line)))
            period = strtoll(line, NULL, 10);
    }
    return max > 0 && period > 0 ? (unsigned)((max + period - 1) / period) : 0;
}

unsigned lk_cpu_quota(void)
{
    cpu_set_t set;
    unsigned cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    unsigned limit = quota();
    if (limit > 0 && limit < cpus)
        cpus = limit;
    return LK_MAX(cpus, 1u);
}
