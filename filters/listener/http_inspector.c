/* envoy.filters.listener.http_inspector: tells HTTP/1.0, HTTP/1.1 and HTTP/2 (prior knowledge) from everything else by
 * the first line. Does nothing once TLS was detected. Never consumes. */
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "proxy/http/validate.h"

#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb-c.h"

#define MAX_READ 65536u

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    static const char configured;
    struct lk_decoder decoder;
    const void *in =
        lk_typed_begin(&decoder, context, any,
                       &envoy__extensions__filters__listener__http_inspector__v3__http_inspector__descriptor, errors);
    return in != NULL && lk_typed_end(&decoder) ? &configured : NULL;
}

static size_t max_read(const void *config)
{
    (void)config;
    return MAX_READ;
}

static enum lk_filter_status on_accept(struct lk_session *session, const void *config)
{
    (void)config;
    return lk_str_eq(lk_session_info(session)->detected_transport, LK_STR("tls")) ? LK_FILTER_CONTINUE
                                                                                  : LK_FILTER_PAUSE;
}

enum sniff { SNIFF_MORE, SNIFF_OTHER, SNIFF_HTTP10, SNIFF_HTTP11, SNIFF_HTTP2 };

static enum sniff sniff_line(struct lk_str line)
{
    size_t space = lk_str_find_byte(line, ' ');
    size_t last = line.len;
    if (!lk_method_known(lk_str(line.ptr, space)))
        return SNIFF_OTHER;
    while (last > space && line.ptr[last - 1] != ' ')
        last--;
    struct lk_str version = lk_str_drop(line, last);
    if (lk_str_eq(version, LK_STR("HTTP/1.1")))
        return SNIFF_HTTP11;
    return lk_str_eq(version, LK_STR("HTTP/1.0")) ? SNIFF_HTTP10 : SNIFF_OTHER;
}

static enum sniff sniff(struct lk_str data)
{
    static const struct lk_str preface = LK_STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    size_t common = data.len < preface.len ? data.len : preface.len;
    if (common > 0 && memcmp(data.ptr, preface.ptr, common) == 0)
        return data.len >= preface.len ? SNIFF_HTTP2 : SNIFF_MORE;
    size_t end = lk_str_find_byte(data, '\n');
    if (end < data.len)
        return sniff_line(lk_str(data.ptr, end > 0 && data.ptr[end - 1] == '\r' ? end - 1 : end));
    /* not a whole line: give up as soon as it cannot begin with a method */
    size_t space = lk_str_find_byte(data, ' ');
    struct lk_str word = lk_str(data.ptr, space);
    if (space < data.len)
        return lk_method_known(word) ? SNIFF_MORE : SNIFF_OTHER;
    return lk_str_span_class(word, LK_CHAR_TOKEN) == word.len && word.len <= 20 ? SNIFF_MORE : SNIFF_OTHER;
}

static enum lk_filter_status on_data(struct lk_session *session, const void *config, struct lk_str data, bool eof,
                                     bool *reject)
{
    struct lk_str protocol = {NULL, 0};
    (void)config;
    (void)reject;
    switch (sniff(data)) {
    case SNIFF_MORE:
        return data.len < MAX_READ && !eof ? LK_FILTER_PAUSE : LK_FILTER_CONTINUE;
    case SNIFF_OTHER:
        return LK_FILTER_CONTINUE;
    case SNIFF_HTTP10:
        protocol = LK_STR("http/1.0");
        break;
    case SNIFF_HTTP11:
        protocol = LK_STR("http/1.1");
        break;
    case SNIFF_HTTP2:
        protocol = LK_STR("h2c");
        break;
    }
    lk_session_set_alpn(session, &protocol, 1);
    return LK_FILTER_CONTINUE;
}

const struct lk_listener_filter lk_http_inspector_filter = {
    .name = "envoy.filters.listener.http_inspector",
    .type = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
    .needs_data = true,
    .config_new = config_new,
    .max_read = max_read,
    .on_accept = on_accept,
    .on_data = on_data,
};
