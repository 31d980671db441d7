/*
 * All hosts of one cluster in one version: immutable, shared by all workers; replaced as a whole when endpoints change.
 */
#pragma once

#include "proxy/base/ref.h"
#include "proxy/upstream/host.h"

#include <pthread.h>
#include <stddef.h>

struct lk_host_index; /* host_index.h */

struct lk_host_set {
    struct lk_ref ref;
    pthread_mutex_t index_lock;            /* for building one */
    struct lk_host_index *_Atomic indexes; /* newest first; only ever grows */
    uint64_t version;                      /* unique in the process */
    uint32_t overprovisioning_factor;
    size_t count;
    struct lk_host *hosts[]; /* by priority, then in configured order */
};

/* Takes over the references of the hosts. Sorts them by priority. */
struct lk_host_set *lk_host_set_new(struct lk_host **hosts, size_t count, uint32_t overprovisioning_factor);
void lk_host_set_ref(struct lk_host_set *set);
void lk_host_set_unref(struct lk_host_set *set);
