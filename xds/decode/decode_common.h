/* Decoders of the small messages that occur everywhere: durations, numbers, addresses, ranges, fractions, data sources.
 */
#pragma once

#include "proxy/config/cluster_config.h"
#include "proxy/config/matcher.h"
#include "xds/decode/decoder.h"

#include "envoy/config/core/v3/address.pb-c.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/type/v3/percent.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"

#include <stdint.h>

enum lk_duration_rule { LK_DURATION_ANY, LK_DURATION_POSITIVE };

/* Milliseconds, or `fallback` when the field is unset. Negative, malformed and (by rule) zero durations are mistakes;
 * more than 49 days are cut to that. Less than a millisecond becomes one. */
uint32_t lk_decode_ms(struct lk_decoder *decoder, const char *field, const Google__Protobuf__Duration *duration,
                      uint32_t fallback, enum lk_duration_rule rule);

/* A wrapper's value or the default. */
static inline uint32_t lk_decode_u32(const Google__Protobuf__UInt32Value *value, uint32_t fallback)
{
    return value != NULL ? value->value : fallback;
}

static inline bool lk_decode_bool(const Google__Protobuf__BoolValue *value, bool fallback)
{
    return value != NULL ? (bool)value->value : fallback;
}

/* The value must lie in [low, high]. */
uint32_t lk_decode_range(struct lk_decoder *decoder, const char *field, uint32_t value, uint32_t low, uint32_t high);

/* envoy.type.v3.Percent, 0 to 100; fallback when unset. */
double lk_decode_percent(struct lk_decoder *decoder, const char *field, const Envoy__Type__V3__Percent *percent,
                         double fallback);
/* NULL gives numerator 0. */
void lk_decode_fractional(struct lk_decoder *decoder, const char *field, const Envoy__Type__V3__FractionalPercent *in,
                          struct lk_fraction *out);
void lk_decode_runtime_fraction(struct lk_decoder *decoder, const char *field,
                                const Envoy__Config__Core__V3__RuntimeFractionalPercent *in, struct lk_fraction *out);

/* What an address may be. */
enum lk_address_rule {
    LK_ADDRESS_IP,        /* IP address or pipe */
    LK_ADDRESS_IP_OR_NAME /* a host name too: *name and *port are filled and *out has len 0 */
};
struct lk_decoded_address {
    struct lk_addr addr; /* len 0: a name */
    struct lk_str name;
    uint16_t port;
    bool ipv4_compat;
    uint32_t pipe_mode;
};
/* At field; NULL is a mistake. */
bool lk_decode_address(struct lk_decoder *decoder, const char *field, const Envoy__Config__Core__V3__Address *in,
                       enum lk_address_rule rule, struct lk_decoded_address *out);
bool lk_decode_socket_address(struct lk_decoder *decoder, const char *field,
                              const Envoy__Config__Core__V3__SocketAddress *in, enum lk_address_rule rule,
                              struct lk_decoded_address *out);
void lk_decode_cidrs(struct lk_decoder *decoder, const char *field, size_t count,
                     Envoy__Config__Core__V3__CidrRange *const *in, const struct lk_cidr **out);

void lk_decode_keepalive(const Envoy__Config__Core__V3__TcpKeepalive *in, struct lk_keepalive_config *out);
void lk_decode_locality(struct lk_decoder *decoder, const Envoy__Config__Core__V3__Locality *in,
                        struct lk_locality *out);

/* The bytes of a DataSource (a file, an environment variable or inline), at most max of them. */
bool lk_decode_data_source(struct lk_decoder *decoder, const char *field, const Envoy__Config__Core__V3__DataSource *in,
                           size_t max, struct lk_str *out);

/* {name, typed_config} where only the type of the message matters: its full name, or the empty string. */
struct lk_str lk_decode_type_of(const Google__Protobuf__Any *any);
