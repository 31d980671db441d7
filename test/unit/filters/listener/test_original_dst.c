/* envoy.filters.listener.original_dst without a redirect, and as a transparent listener; real redirects are tested in
 * network namespaces. */
#include "test/unit/filters/inspected.h"

#define TYPE "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"

LK_TEST(original_dst, connection_that_nobody_redirected_keeps_its_address)
{
    struct inspected seen;
    inspected_begin(&seen, TYPE, 15000);
    int client = session_connect(seen.f, 0);
    UPSTREAM_UNTIL(seen.f->up, seen.started == 1);
    LK_CHECK(lk_addr_eq(&seen.local, &seen.f->listeners->all[0]->bound[0]));
    close(client);
    inspected_end(&seen);
}

LK_TEST(original_dst, transparent_socket_knows_the_destination_itself)
{
    struct inspected seen;
    inspected_begin(&seen, TYPE, 15000);
    seen.f->config[0].transparent = true; /* after bind: the socket itself needs no privilege here */
    int client = session_connect(seen.f, 0);
    UPSTREAM_UNTIL(seen.f->up, seen.started == 1);
    LK_CHECK(seen.restored);
    LK_CHECK(lk_addr_eq(&seen.local, &seen.f->listeners->all[0]->bound[0]));
    close(client);
    inspected_end(&seen);
}

LK_TEST(original_dst, needs_no_byte_of_the_client)
{
    LK_CHECK(!lk_original_dst_filter.needs_data);
    LK_CHECK_NULL(lk_original_dst_filter.on_data);
}
