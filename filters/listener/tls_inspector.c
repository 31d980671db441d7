/* envoy.filters.listener.tls_inspector: tells TLS from plaintext and reads SNI and ALPN. Never consumes. */
#include "filters/common/tls_hello.h"
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"

#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb-c.h"

#define MAX_READ 65536u

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    static const char configured;
    struct lk_decoder decoder;
    const void *in =
        lk_typed_begin(&decoder, context, any,
                       &envoy__extensions__filters__listener__tls_inspector__v3__tls_inspector__descriptor, errors);
    return in != NULL && lk_typed_end(&decoder) ? &configured : NULL;
}

static size_t max_read(const void *config)
{
    (void)config;
    return MAX_READ;
}

static enum lk_filter_status on_accept(struct lk_session *session, const void *config)
{
    (void)session;
    (void)config;
    return LK_FILTER_PAUSE;
}

static struct lk_str lower(struct lk_arena *arena, struct lk_str s)
{
    char *copy = lk_arena_cstr(arena, s);
    for (size_t i = 0; i < s.len; i++)
        copy[i] = (char)lk_ascii_lower((unsigned char)copy[i]);
    return lk_str(copy, s.len);
}

static enum lk_filter_status on_data(struct lk_session *session, const void *config, struct lk_str data, bool eof,
                                     bool *reject)
{
    struct lk_conn_info *info = lk_session_info(session);
    struct lk_arena scratch;
    struct lk_hello hello;
    (void)config;
    (void)reject;
    lk_arena_init(&scratch);
    enum lk_hello_result result = lk_hello_parse(data, lk_arena_alloc(&scratch, data.len + 1), &hello);
    if (result == LK_HELLO_OK) {
        info->detected_transport = LK_STR("tls");
        info->sni = lower(lk_session_arena(session), hello.sni);
        lk_session_set_alpn(session, hello.alpn, hello.alpn_count);
    }
    lk_arena_reset(&scratch);
    bool undecided = result == LK_HELLO_MORE && data.len < MAX_READ && !eof;
    return undecided ? LK_FILTER_PAUSE : LK_FILTER_CONTINUE;
}

const struct lk_listener_filter lk_tls_inspector_filter = {
    .name = "envoy.filters.listener.tls_inspector",
    .type = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    .needs_data = true,
    .config_new = config_new,
    .max_read = max_read,
    .on_accept = on_accept,
    .on_data = on_data,
};
