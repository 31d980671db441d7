/* Addresses and network ranges, envoy.config.core.v3. Main thread. */
#include "xds/decode/decode_common.h"

static bool socket_address(struct lk_decoder *decoder, const Envoy__Config__Core__V3__SocketAddress *in,
                           enum lk_address_rule rule, struct lk_decoded_address *out)
{
    struct lk_str host = lk_str_from(in->address);

    if (in->protocol == ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PROTOCOL__UDP)
        return lk_errors_unsupported(decoder->errors, "protocol", "UDP is not supported");
    if (in->protocol != ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PROTOCOL__TCP)
        return lk_errors_add_at(decoder->errors, "protocol", "expected TCP");
    if (in->port_specifier_case == ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PORT_SPECIFIER_NAMED_PORT)
        return lk_errors_unsupported(decoder->errors, "named_port", "named ports are not supported");
    if (in->port_specifier_case != ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PORT_SPECIFIER_PORT_VALUE)
        return lk_errors_add_at(decoder->errors, "port_value", "is required");
    if (in->port_value > 65535)
        return lk_errors_add_at(decoder->errors, "port_value", "%u is not between 0 and 65535", in->port_value);
    if (host.len == 0)
        return lk_errors_add_at(decoder->errors, "address", "must not be empty");
    out->port = (uint16_t)in->port_value;
    out->ipv4_compat = in->ipv4_compat;
    if (lk_addr_parse_ip(host, out->port, &out->addr))
        return true;
    if (rule == LK_ADDRESS_IP)
        return lk_errors_add_at(decoder->errors, "address", "expected an IP address, found '%s'", in->address);
    out->addr.len = 0;
    out->name = lk_decode_str(decoder, in->address);
    return true;
}

bool lk_decode_socket_address(struct lk_decoder *decoder, const char *field,
                              const Envoy__Config__Core__V3__SocketAddress *in, enum lk_address_rule rule,
                              struct lk_decoded_address *out)
{
    size_t mark = lk_errors_push(decoder->errors, field);

    *out = (struct lk_decoded_address){0};
    bool ok = socket_address(decoder, in, rule, out);

    lk_errors_pop(decoder->errors, mark);
    return ok;
}

static bool pipe_address(struct lk_decoder *decoder, const Envoy__Config__Core__V3__Pipe *in,
                         struct lk_decoded_address *out)
{
    struct lk_error error;
    struct lk_str path = lk_decode_str(decoder, in->path);

    if (path.len == 0)
        return lk_errors_add_at(decoder->errors, "path", "must not be empty");
    if (in->mode > 0777)
        return lk_errors_add_at(decoder->errors, "mode", "%u is more than 511 (0777)", in->mode);
    if (in->mode != 0 && path.ptr[0] == '@')
        return lk_errors_add_at(decoder->errors, "mode", "an abstract socket has no file mode");
    out->pipe_mode = in->mode;
    if (!lk_addr_set_pipe(&out->addr, decoder->arena, path, &error))
        return lk_errors_add_at(decoder->errors, "path", "%s", error.text);
    return true;
}

static bool address(struct lk_decoder *decoder, const Envoy__Config__Core__V3__Address *in, enum lk_address_rule rule,
                    struct lk_decoded_address *out)
{
    size_t mark;
    bool ok;

    switch (in->address_case) {
    case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS:
        return lk_decode_socket_address(decoder, "socket_address", in->socket_address, rule, out);
    case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE:
        mark = lk_errors_push(decoder->errors, "pipe");
        ok = pipe_address(decoder, in->pipe, out);
        lk_errors_pop(decoder->errors, mark);
        return ok;
    case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_ENVOY_INTERNAL_ADDRESS:
        return lk_errors_unsupported(decoder->errors, "envoy_internal_address", "internal listeners are not supported");
    default:
        return lk_errors_add(decoder->errors, "expected one of socket_address, pipe");
    }
}

bool lk_decode_address(struct lk_decoder *decoder, const char *field, const Envoy__Config__Core__V3__Address *in,
                       enum lk_address_rule rule, struct lk_decoded_address *out)
{
    *out = (struct lk_decoded_address){0};
    if (in == NULL)
        return lk_errors_add_at(decoder->errors, field, "is required");
    size_t mark = lk_errors_push(decoder->errors, field);
    bool ok = address(decoder, in, rule, out);

    lk_errors_pop(decoder->errors, mark);
    return ok;
}

void lk_decode_cidrs(struct lk_decoder *decoder, const char *field, size_t count,
                     Envoy__Config__Core__V3__CidrRange *const *in, const struct lk_cidr **out)
{
    struct lk_cidr *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, field, i);
        bool v4 = strchr(in[i]->address_prefix, ':') == NULL;
        uint32_t bits = lk_decode_u32(in[i]->prefix_len, 0);

        if (v4 && bits <= 128)
            bits = LK_MIN(bits, 32u);
        if (bits > 128)
            lk_errors_add_at(decoder->errors, "prefix_len", "%u is not between 0 and 128", bits);
        else if (!lk_cidr_parse(lk_str_from(in[i]->address_prefix), bits, &list[i]))
            lk_errors_add(decoder->errors, "'%s/%u' is no network range", in[i]->address_prefix, bits);
        lk_errors_pop(decoder->errors, mark);
    }
    *out = list;
}
