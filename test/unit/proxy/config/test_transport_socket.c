/* Plain TCP or a refusal: what was meant to be encrypted never leaves in the clear. */
#include "proxy/config/transport_socket.h"
#include "test/support/lk_test.h"

static bool accepted(const char *type, size_t *mistakes)
{
    struct lk_errors errors;
    lk_errors_init(&errors);
    struct lk_any any = {.type = lk_str_from(type)};
    bool ok = lk_transport_socket_check(&any, &errors);
    *mistakes = errors.count;
    lk_errors_fini(&errors);
    return ok;
}

LK_TEST(transport_socket, plain_tcp_is_accepted)
{
    size_t mistakes;
    LK_CHECK(accepted("", &mistakes));
    LK_CHECK_EQ_UINT(mistakes, 0);
    LK_CHECK(accepted("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", &mistakes));
    LK_CHECK_EQ_UINT(mistakes, 0);
}

LK_TEST(transport_socket, anything_else_is_refused_by_its_type)
{
    size_t mistakes;
    LK_CHECK(!accepted("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", &mistakes));
    LK_CHECK_EQ_UINT(mistakes, 1);
}
