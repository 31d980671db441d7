/* Pieces that the lane table and the lane filter have in common, and the hash of a table. Main thread, pure. */
#include "xds/decode/decode_lane_parts.h"

#include "xds/decode/decode_matcher.h"

#include <stdlib.h>

#define SECRET_MIN 8

typedef Lanekeeper__Lane__V1__LaneTable table_proto;
typedef Lanekeeper__Lane__V1__Lane lane_proto;

bool lk_decode_lane_cidr(struct lk_decoder *decoder, const char *text, struct lk_cidr *out)
{
    struct lk_str rest = lk_str_from(text);
    struct lk_str ip = lk_str_split(&rest, '/');
    uint64_t bits = lk_str_find_byte(ip, ':') < ip.len ? 128 : 32;

    if ((rest.ptr == NULL || (lk_str_to_u64(rest, &bits) && bits <= 128)) && lk_cidr_parse(ip, (unsigned)bits, out))
        return true;
    return lk_errors_add(decoder->errors, "'%s' is no network range, expected one as 10.0.0.0/8", text);
}

const struct lk_cidr *lk_decode_lane_cidrs(struct lk_decoder *decoder, const char *field, size_t count,
                                           char *const *texts)
{
    struct lk_cidr *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, field, i);

        lk_decode_lane_cidr(decoder, texts[i], &list[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    return list;
}

struct lk_str lk_decode_lane_header_name(struct lk_decoder *decoder, const char *field, const char *name)
{
    lk_decode_header_name_ok(decoder, field, name, false);
    return lk_decode_lower(decoder, name);
}

bool lk_decode_lane_header_value_ok(struct lk_decoder *decoder, const char *field, const char *value)
{
    struct lk_str text = lk_str_from(value);

    if (text.len != lk_str_trim(text).len)
        return lk_errors_add_at(decoder->errors, field, "begins or ends with a blank, expected none");
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return lk_errors_add_at(decoder->errors, field, "holds a control character, expected text for a header");
    }
    return true;
}

void lk_decode_lane_secret(struct lk_decoder *decoder, const char *field, const Lanekeeper__Lane__V1__SecretHeader *in,
                           struct lk_secret_header *out)
{
    *out = (struct lk_secret_header){.name = {"", 0}, .header_id = -1, .value = {"", 0}};
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, field);

    out->name = lk_decode_lane_header_name(decoder, "name", in->name);
    out->value = lk_decode_str(decoder, in->value);
    if (out->value.len < SECRET_MIN)
        lk_errors_add_at(decoder->errors, "value", "is too short for a secret, expected at least %d bytes", SECRET_MIN);
    else
        lk_decode_lane_header_value_ok(decoder, "value", in->value);
    lk_errors_pop(decoder->errors, mark);
}

/* --- the hash ----------------------------------------------------------------------------------------------------- */

static int compare_services(const void *a, const void *b)
{
    const Lanekeeper__Lane__V1__LaneTable__ServiceEntry *const *left = a, *const *right = b;

    return strcmp((*left)->key, (*right)->key);
}

static int compare_emits(const void *a, const void *b)
{
    const Lanekeeper__Lane__V1__Lane__EmitHeadersEntry *const *left = a, *const *right = b;

    return strcmp((*left)->key, (*right)->key);
}

/* A sorted copy of an array of pointers. */
static void *sorted(struct lk_decoder *decoder, const void *array, size_t count,
                    int (*compare)(const void *a, const void *b))
{
    void *copy;

    if (count < 2)
        return (void *)(uintptr_t)array;
    copy = lk_arena_alloc(&decoder->scratch, count * sizeof(void *));
    memcpy(copy, array, count * sizeof(void *));
    qsort(copy, count, sizeof(void *), compare);
    return copy;
}

uint64_t lk_decode_lane_hash(struct lk_decoder *decoder, const table_proto *in)
{
    table_proto table = *in;
    lane_proto *lanes = lk_arena_array(&decoder->scratch, in->n_lanes, sizeof(*lanes));

    table.service = sorted(decoder, in->service, in->n_service, compare_services);
    table.lanes = lk_arena_array(&decoder->scratch, in->n_lanes, sizeof(*table.lanes));
    for (size_t i = 0; i < in->n_lanes; i++) {
        lanes[i] = *in->lanes[i];
        lanes[i].emit_headers = sorted(decoder, lanes[i].emit_headers, lanes[i].n_emit_headers, compare_emits);
        table.lanes[i] = &lanes[i];
    }
    return lk_decode_hash(decoder, &table.base);
}
