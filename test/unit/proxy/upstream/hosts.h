/* Host sets for tests: each host is 10.PRIORITY and its number in two parts. */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/upstream/host_view.h"
#include "test/support/lk_test.h"

struct test_host {
    uint16_t priority;
    uint8_t health;  /* enum lk_health_status */
    uint32_t weight; /* 0 means 1 */
};

static inline struct lk_host_set *test_hosts(const struct test_host *specs, size_t count)
{
    struct lk_host **hosts = lk_calloc(count + 1, sizeof(*hosts));
    for (size_t i = 0; i < count; i++) {
        char text[32];
        struct lk_addr addr;
        snprintf(text, sizeof(text), "10.%u.%u.%u", specs[i].priority & 255u, (unsigned)(i / 250) & 255u,
                 (unsigned)(i % 250) + 1);
        LK_CHECK(lk_addr_parse_ip(lk_str_from(text), 80, &addr));
        struct lk_host_state *state = lk_host_state_new(&addr);
        hosts[i] = lk_host_new(state, NULL);
        lk_host_state_unref(state);
        hosts[i]->priority = specs[i].priority;
        hosts[i]->health = specs[i].health;
        hosts[i]->weight = specs[i].weight > 0 ? specs[i].weight : 1;
    }
    struct lk_host_set *set = lk_host_set_new(hosts, count, 140);
    lk_free(hosts);
    return set;
}
