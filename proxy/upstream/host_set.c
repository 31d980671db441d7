/* Versions of a cluster's hosts. Built on the main thread, read everywhere. */
#include "proxy/upstream/host_set.h"

#include "proxy/base/mem.h"
#include "proxy/upstream/host_index.h"

#include <string.h>

static _Atomic uint64_t next_version = 1;

struct lk_host_set *lk_host_set_new(struct lk_host **hosts, size_t count, uint32_t overprovisioning_factor)
{
    struct lk_host_set *set = lk_malloc(sizeof(*set) + count * sizeof(set->hosts[0]));
    lk_ref_init(&set->ref);
    pthread_mutex_init(&set->index_lock, NULL);
    atomic_init(&set->indexes, NULL);
    set->version = atomic_fetch_add_explicit(&next_version, 1, memory_order_relaxed);
    set->overprovisioning_factor = overprovisioning_factor != 0 ? overprovisioning_factor : 140;
    set->count = count;
    /* insertion sort keeps the configured order inside a priority; inputs are nearly always sorted */
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        while (at > 0 && set->hosts[at - 1]->priority > hosts[i]->priority) {
            set->hosts[at] = set->hosts[at - 1];
            at--;
        }
        set->hosts[at] = hosts[i];
    }
    return set;
}

void lk_host_set_ref(struct lk_host_set *set)
{
    lk_ref_get(&set->ref);
}

void lk_host_set_unref(struct lk_host_set *set)
{
    if (!lk_ref_put(&set->ref))
        return;
    for (size_t i = 0; i < set->count; i++)
        lk_host_unref(set->hosts[i]);
    lk_host_indexes_free(atomic_load_explicit(&set->indexes, memory_order_acquire));
    pthread_mutex_destroy(&set->index_lock);
    lk_free(set);
}
