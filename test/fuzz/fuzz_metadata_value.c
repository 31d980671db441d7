/*
 * Bytes of a google.protobuf.Value as a request may carry them, and match criteria made of them: nothing reads beyond
 * the slice, equal values have equal hashes, criteria are sorted. lk_fuzz_library: lk_xds_decode
 */
#include "proxy/base/mem.h"
#include "proxy/config/match_criteria.h"
#include "xds/decode/decode_metadata.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_criteria(struct lk_arena *arena, const struct lk_value *value)
{
    const struct lk_match_criteria *once = lk_match_criteria_merge(arena, NULL, value);
    const struct lk_match_criteria *twice = lk_match_criteria_merge(arena, once, value);
    LK_ASSERT(once->count <= value->child_count && once->count == twice->count);
    for (size_t i = 0; i < once->count; i++) {
        LK_ASSERT(i == 0 || lk_str_cmp(once->items[i - 1].name, once->items[i].name) < 0);
        LK_ASSERT(lk_match_criteria_get(once, once->items[i].name) == &once->items[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    if (size > 0)
        memcpy(copy, data, size);
    struct lk_arena arena;
    struct lk_value value;
    struct lk_value again;
    lk_arena_init(&arena);
    if (lk_value_from_bytes(&arena, lk_str(copy, size), &value)) {
        LK_ASSERT(lk_value_from_bytes(&arena, lk_str(copy, size), &again));
        if (lk_value_eq(&value, &again)) /* not so with a NaN inside */
            LK_ASSERT(lk_value_hash(&value) == lk_value_hash(&again));
        lk_value_text(&value, &arena);
        check_criteria(&arena, &value);
    }
    lk_arena_reset(&arena);
    free(copy);
    return 0;
}
