/*
 * Learns at which idle age a server closes keep-alive connections, so that the pool retires them first and a request
 * never races the server's FIN. Evidence: FINs on idle connections whose ages agree, and Keep-Alive: timeout=N hints.
 * Evidence grows old: after five minutes the limit is learned again. Any worker (relaxed atomics in the host's state).
 */
#pragma once

#include "proxy/upstream/host.h"

/* The server closed a connection that had been idle for age_ms. */
void lk_idle_learner_closed(struct lk_host_state *state, uint32_t age_ms, uint64_t now_ms);
/* The server announced its limit. */
void lk_idle_learner_hint(struct lk_host_state *state, uint32_t timeout_ms, uint64_t now_ms);
/* Idle age from which a connection is not to be used any more; UINT32_MAX: no limit known. */
uint32_t lk_idle_learner_limit(const struct lk_host_state *state, uint64_t now_ms);
