/* Finds the machine's own address once at start. Read-only afterwards. */
#include "proxy/io/local_address.h"

#include "proxy/base/addr.h"

#include <ifaddrs.h>
#include <string.h>

static char text[LK_ADDR_TEXT_MAX] = "127.0.0.1";

static bool usable(const struct ifaddrs *entry, sa_family_t family, struct lk_addr *addr)
{
    if (entry->ifa_addr == NULL || entry->ifa_addr->sa_family != family)
        return false;
    socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    lk_addr_from_sockaddr(addr, entry->ifa_addr, len);
    return !lk_addr_is_loopback(addr);
}

void lk_local_address_init(sa_family_t prefer)
{
    struct ifaddrs *all = NULL;
    sa_family_t family = prefer == AF_INET6 ? AF_INET6 : AF_INET;
    if (getifaddrs(&all) != 0)
        return;
    if (family == AF_INET6)
        memcpy(text, "::1", 4);
    for (const struct ifaddrs *entry = all; entry != NULL; entry = entry->ifa_next) {
        struct lk_addr addr;
        if (usable(entry, family, &addr)) {
            lk_addr_ip_text(&addr, text);
            break;
        }
    }
    freeifaddrs(all);
}

struct lk_str lk_local_address_text(sa_family_t family)
{
    (void)family;
    return lk_str_from(text);
}
