/* The machine's own address, as x-forwarded-for shows it for callers on the loopback interface (Envoy:
 * getLocalAddress). */
#pragma once

#include "proxy/base/str.h"

#include <sys/socket.h>

/* First address of the family that is not loopback, found once at start; the loopback address when there is none. */
struct lk_str lk_local_address_text(sa_family_t family);
/* Main thread, before workers run; prefer is --local-address-ip-version. */
void lk_local_address_init(sa_family_t prefer);
