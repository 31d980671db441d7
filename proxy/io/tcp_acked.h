/* What the peer's TCP has acknowledged of a connection's output. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the application that were acknowledged (RFC 4898 tcpEStatsAppHCThruOctetsAcked), without the SYN of an
 * outgoing connection. False: not a TCP socket, or a kernel that does not tell. */
bool lk_tcp_bytes_acked(int fd, uint64_t *bytes);
