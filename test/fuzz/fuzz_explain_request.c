/*
 * Any bytes as the body of POST /explain: refused with a mistake, or accepted with a head that a client could send.
 * lk_fuzz_library: lk_server
 */
#include "proxy/base/mem.h"
#include "proxy/server/explain_request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A head that was made of members is lines: nothing in a name or value can end one early. */
static void check_head(struct lk_str wire)
{
    struct lk_str end = LK_STR("\r\n\r\n");
    size_t line_end = lk_str_find(wire, end);

    LK_ASSERT(line_end == wire.len - end.len);
    for (size_t i = 0; i < wire.len; i++) {
        LK_ASSERT(wire.ptr[i] != '\0');
        LK_ASSERT(wire.ptr[i] != '\n' || (i > 0 && wire.ptr[i - 1] == '\r'));
        LK_ASSERT(wire.ptr[i] != '\r' || (i + 1 < wire.len && wire.ptr[i + 1] == '\n'));
    }
}

static unsigned depth_of(const struct lk_value *value)
{
    unsigned deepest = 0;

    for (size_t i = 0; i < value->child_count; i++)
        deepest = LK_MAX(deepest, depth_of(&value->children[i]));
    return deepest + 1;
}

static void check_accepted(const struct lk_explain_request *request, bool raw)
{
    LK_ASSERT(request->listener.len > 0 || request->destination.len > 0);
    LK_ASSERT(lk_str_eq(request->transport, LK_STR("tls")) || lk_str_eq(request->transport, LK_STR("raw_buffer")));
    LK_ASSERT(request->alpn_count <= LK_EXPLAIN_ALPN_MAX);
    LK_ASSERT(request->wire.len > 0);
    if (!raw)
        check_head(request->wire);
    if (request->metadata != NULL)
        LK_ASSERT(depth_of(request->metadata) <= LK_EXPLAIN_METADATA_DEPTH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lk_str body = lk_str((const char *)data, size);
    struct lk_explain_request request;
    struct lk_errors errors;
    struct lk_arena arena;
    bool ok;

    lk_arena_init(&arena);
    lk_errors_init(&errors);
    ok = lk_explain_request_parse(&request, &arena, body, &errors);
    LK_ASSERT(ok == !lk_errors_any(&errors));
    LK_ASSERT(errors.path_len == 0);
    if (ok)
        check_accepted(&request, lk_str_find(body, LK_STR("head_base64")) <= body.len ||
                                     lk_str_find(body, LK_STR("\\u")) <= body.len);
    lk_errors_fini(&errors);
    lk_arena_reset(&arena);
    return 0;
}
