/* Reason phrases (RFC 9110 section 15 and the IANA registry) and gRPC's view of HTTP statuses. */
#pragma once

#include "proxy/base/str.h"

/* "OK"; "Unknown" for a status without a registered phrase. */
struct lk_str lk_status_reason(unsigned status);
/* gRPC status for an HTTP status: 400->13, 401->16, 403->7, 404->12, 429/502/503/504->14, others->2. */
unsigned lk_status_to_grpc(unsigned status);
