/* Canonical forms of correlation ids, hashed. */
#include "proxy/lane/association_key.h"

#include "proxy/base/mem.h"

#define TRACE_ID_MAX 32
#define UUID_LEN 36
#define UUID_TRACE_DIGIT 14

/* Returns the slice of `out` that holds the canonical form. The bit that makes a letter small is set in every digit
 * too, so it is set in eight bytes at a time. */
static struct lk_str canonical_trace_id(struct lk_str id, char out[TRACE_ID_MAX])
{
    uint64_t words[TRACE_ID_MAX / sizeof(uint64_t)] = {0};

    while (id.len > 1 && id.ptr[0] == '0')
        id = lk_str_drop(id, 1);
    if (id.len > 0)
        memcpy(words, id.ptr, id.len);
    for (size_t i = 0; i < LK_ARRAY_LEN(words); i++)
        words[i] |= 0x2020202020202020u;
    memcpy(out, words, TRACE_ID_MAX);
    return lk_str(out, id.len);
}

static bool is_uuid(struct lk_str id)
{
    return id.len == UUID_LEN && id.ptr[8] == '-' && id.ptr[13] == '-' && id.ptr[18] == '-' && id.ptr[23] == '-';
}

struct lk_hash128 lk_association_key(const struct lk_hash_key *seed, enum lk_association_kind kind, struct lk_str id)
{
    char canonical[UUID_LEN];

    switch (kind) {
    case LK_ASSOCIATION_TRACEPARENT:
    case LK_ASSOCIATION_B3:
    case LK_ASSOCIATION_JAEGER:
        if (id.len <= TRACE_ID_MAX)
            id = canonical_trace_id(id, canonical);
        break;
    case LK_ASSOCIATION_REQUEST_ID:
        if (is_uuid(id)) {
            memcpy(canonical, id.ptr, UUID_LEN);
            canonical[UUID_TRACE_DIGIT] = '0';
            id = lk_str(canonical, UUID_LEN);
        }
        break;
    case LK_ASSOCIATION_SW8:
    case LK_ASSOCIATION_HEADER:
    case LK_ASSOCIATION_KINDS:
        break;
    }
    return lk_keyed_hash(seed, (uint64_t)kind, id);
}

bool lk_association_is_sampled(struct lk_str id, uint32_t one_in)
{
    return one_in != 0 && lk_str_hash(id) % one_in == 0;
}
