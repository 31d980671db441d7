/* Which transport sockets of a configuration this build has. */
#pragma once

#include "proxy/base/error.h"
#include "proxy/config/any.h"

/* The empty one and raw_buffer are plain TCP; any other is a mistake at field `transport_socket`: nothing that was
 * meant to be encrypted may leave in the clear. */
bool lk_transport_socket_check(const struct lk_any *socket, struct lk_errors *errors);
