#include "proxy/config/transport_socket.h"

bool lk_transport_socket_check(const struct lk_any *socket, struct lk_errors *errors)
{
    if (socket->type.len == 0 ||
        lk_str_eq(socket->type, LK_STR("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")))
        return true;
    return lk_errors_unsupported(errors, "transport_socket", "transport socket '%.*s' is not built into this version",
                                 LK_STR_ARG(socket->type));
}
