/* envoy.filters.listener.original_dst: finds where the client wanted to go before iptables redirected it (REDIRECT), or
 * takes the socket's own address (TPROXY, transparent listener). */
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "proxy/io/sockopt.h"

#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb-c.h"

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    static const char configured;
    struct lk_decoder decoder;
    const void *in =
        lk_typed_begin(&decoder, context, any,
                       &envoy__extensions__filters__listener__original_dst__v3__original_dst__descriptor, errors);
    return in != NULL && lk_typed_end(&decoder) ? &configured : NULL;
}

static enum lk_filter_status on_accept(struct lk_session *session, const void *config)
{
    struct lk_conn_info *info = lk_session_info(session);
    struct lk_addr original;
    (void)config;
    if (info->local_restored)
        return LK_FILTER_CONTINUE;
    if (lk_session_listener(session)->transparent) {
        /* with TPROXY the socket's local address is what the client connected to */
        if (lk_local_addr(lk_session_conn(session)->fd, &original)) {
            lk_addr_unmap(&original);
            info->local = original;
            info->local_restored = true;
        }
    } else if (lk_original_dst(lk_session_conn(session)->fd, &info->direct_local, &original)) {
        info->local = original;
        info->local_restored = true;
    }
    return LK_FILTER_CONTINUE;
}

const struct lk_listener_filter lk_original_dst_filter = {
    .name = "envoy.filters.listener.original_dst",
    .type = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
    .config_new = config_new,
    .on_accept = on_accept,
};
