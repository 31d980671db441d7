/* Reads the body of POST /explain. Untrusted bytes: bounded in size, number and depth. See explain_request.h. */
#include "proxy/server/explain_reading.h"

#include "proxy/base/base64.h"
#include "proxy/base/mem.h"

/* --- simple members ----------------------------------------------------------------------------------------------- */

static void read_listener(struct lk_explain_reading *reading, const json_t *value)
{
    struct lk_str *out = &reading->request->listener;

    if (lk_explain_want_string(reading, value, "the name of a listener", out) && out->len == 0)
        lk_errors_add(reading->errors, "expected the name of a listener, or its address where it has none");
}

/* "10.0.0.1:80", "[::1]:80" */
static bool parse_address(struct lk_str text, struct lk_addr *out)
{
    size_t colon = text.len;
    uint64_t port;
    struct lk_str ip;

    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    if (colon == 0 || !lk_str_to_u64(lk_str_drop(text, colon), &port) || port > UINT16_MAX)
        return false;
    ip = lk_str(text.ptr, colon - 1);
    if (ip.len > 2 && ip.ptr[0] == '[' && ip.ptr[ip.len - 1] == ']')
        ip = lk_str(ip.ptr + 1, ip.len - 2);
    else if (lk_str_find_byte(ip, ':') < ip.len)
        return false;
    return lk_addr_parse_ip(ip, (uint16_t)port, out);
}

static void read_address(struct lk_explain_reading *reading, const json_t *value, struct lk_addr *out)
{
    struct lk_str text;

    if (!lk_explain_want_string(reading, value, "an address and port, \"10.0.0.1:80\" or \"[::1]:80\"", &text) ||
        parse_address(text, out))
        return;
    out->len = 0;
    lk_errors_add(reading->errors, "expected an address and port, \"10.0.0.1:80\" or \"[::1]:80\"");
}

static void read_destination(struct lk_explain_reading *reading, const json_t *value)
{
    read_address(reading, value, &reading->request->destination);
}

static void read_source(struct lk_explain_reading *reading, const json_t *value)
{
    read_address(reading, value, &reading->request->source);
}

static void read_method(struct lk_explain_reading *reading, const json_t *value)
{
    struct lk_str *out = &reading->request->method;

    if (lk_explain_want_line(reading, value, "a method", out) && (out->len == 0 || lk_explain_has_control(*out)))
        lk_errors_add(reading->errors, "expected a method such as \"GET\"");
}

static void read_authority(struct lk_explain_reading *reading, const json_t *value)
{
    reading->has_authority = lk_explain_want_line(reading, value, "a host, with or without port", &reading->authority);
}

static void read_path(struct lk_explain_reading *reading, const json_t *value)
{
    struct lk_str *out = &reading->request->path;

    if (lk_explain_want_line(reading, value, "a path with query", out) && out->len == 0)
        lk_errors_add(reading->errors, "expected a path with query, such as \"/a?b=c\"");
}

static void read_headers(struct lk_explain_reading *reading, const json_t *value)
{
    reading->headers = value; /* when authority is known */
}

static void read_protocol(struct lk_explain_reading *reading, const json_t *value)
{
    struct lk_str text;

    if (!lk_explain_want_string(reading, value, "\"HTTP/1.1\" or \"HTTP/1.0\"", &text))
        return;
    reading->request->http10 = lk_str_eq(text, LK_STR("HTTP/1.0"));
    if (!reading->request->http10 && !lk_str_eq(text, LK_STR("HTTP/1.1")))
        lk_errors_add(reading->errors, "expected \"HTTP/1.1\" or \"HTTP/1.0\"");
}

static void read_transport(struct lk_explain_reading *reading, const json_t *value)
{
    struct lk_str *out = &reading->request->transport;

    if (lk_explain_want_string(reading, value, "\"raw_buffer\" or \"tls\"", out) && !lk_str_eq(*out, LK_STR("tls")) &&
        !lk_str_eq(*out, LK_STR("raw_buffer")))
        lk_errors_add(reading->errors, "expected \"raw_buffer\" or \"tls\"");
}

static void read_sni(struct lk_explain_reading *reading, const json_t *value)
{
    lk_explain_want_string(reading, value, "a server name", &reading->request->sni);
}

static void read_identity(struct lk_explain_reading *reading, const json_t *value)
{
    lk_explain_want_string(reading, value, "the URI of the peer's identity", &reading->request->identity);
}

static void read_alpn(struct lk_explain_reading *reading, const json_t *value)
{
    struct lk_explain_request *request = reading->request;
    struct lk_str *out = lk_arena_array(reading->arena, LK_EXPLAIN_ALPN_MAX, sizeof(*out));

    request->has_alpn = true;
    request->alpn = out;
    if (!json_is_array(value) || json_array_size(value) > LK_EXPLAIN_ALPN_MAX) {
        lk_errors_add(reading->errors, "expected a list of at most %u protocols, such as [\"http/1.1\"]",
                      LK_EXPLAIN_ALPN_MAX);
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);

        if (json_is_string(item))
            out[request->alpn_count++] = lk_explain_text_of(reading->arena, item);
        else
            lk_errors_add_at(reading->errors, lk_arena_printf(reading->arena, "[%zu]", i).ptr,
                             "expected a protocol, got %s", lk_explain_type_name(item));
    }
}

/* As a string where it is beyond what JSON readers keep exactly. */
static void read_number(struct lk_explain_reading *reading, const json_t *value, const char *expected, uint64_t *out)
{
    if (json_is_string(value) && lk_str_to_u64(lk_str(json_string_value(value), json_string_length(value)), out))
        return;
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        *out = (uint64_t)json_integer_value(value);
    else
        lk_errors_add(reading->errors, "expected %s", expected);
}

/* The head itself, where what a client sends is no list of names and values, or no text. */
static void read_raw(struct lk_explain_reading *reading, const json_t *value)
{
    struct lk_str text;

    if (lk_explain_want_string(reading, value, "a request head in base64", &text) &&
        (!lk_base64_decode(reading->arena, text, &reading->raw) || reading->raw.len == 0))
        lk_errors_add(reading->errors, "expected a request head in base64");
}

static void read_random(struct lk_explain_reading *reading, const json_t *value)
{
    read_number(reading, value, "a whole number from 0 to 18446744073709551615, as a number or string",
                &reading->request->random);
}

static void read_worker(struct lk_explain_reading *reading, const json_t *value)
{
    read_number(reading, value, "the number of a worker, from 0", &reading->request->worker);
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static const struct member {
    const char *name;
    void (*read)(struct lk_explain_reading *reading, const json_t *value);
} members[] = {
    {"listener", read_listener},
    {"original_destination", read_destination},
    {"source", read_source},
    {"method", read_method},
    {"authority", read_authority},
    {"path", read_path},
    {"headers", read_headers},
    {"protocol", read_protocol},
    {"head_base64", read_raw},
    {"transport", read_transport},
    {"sni", read_sni},
    {"alpn", read_alpn},
    {"peer_identity", read_identity},
    {"random", read_random},
    {"worker", read_worker},
    {"metadata", lk_explain_read_metadata},
};

static const struct member *find_member(const char *name)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(members); i++)
        if (strcmp(members[i].name, name) == 0)
            return &members[i];
    return NULL;
}

/* A word that holds the other whole is near too: "destination". */
static const char *nearest(struct lk_str word)
{
    const char *best = NULL;
    size_t least = 4;

    for (size_t i = 0; i < LK_ARRAY_LEN(members); i++) {
        struct lk_str name = lk_str_from(members[i].name);
        size_t away = word.len >= 4 && lk_str_find(name, word) <= name.len ? 0 : lk_str_distance(word, name);

        if (away < least && away < word.len) {
            least = away;
            best = members[i].name;
        }
    }
    return best;
}

static void report_unknown(struct lk_errors *errors, const char *key)
{
    const char *near = nearest(lk_str_from(key));

    lk_errors_add(errors, "unknown%s%s%s", near != NULL ? ", did you mean \"" : "", near != NULL ? near : "",
                  near != NULL ? "\"?" : "");
}

static void use_raw(struct lk_explain_reading *reading, const json_t *body)
{
    static const char *const parts[] = {"method", "authority", "path", "headers", "protocol"};
    struct lk_str line = lk_str(reading->raw.ptr, lk_str_find_byte(reading->raw, '\n'));

    for (size_t i = 0; i < LK_ARRAY_LEN(parts); i++)
        if (json_object_get(body, parts[i]) != NULL)
            lk_errors_add_at(reading->errors, parts[i], "expected either this or head_base64, got both");
    reading->request->wire = reading->raw;
    reading->request->http10 = lk_str_find(line, LK_STR(" HTTP/1.0")) <= line.len;
}

static void read_members(struct lk_explain_reading *reading, const json_t *body)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)body, key, value)
    {
        const struct member *member = find_member(key);
        size_t mark = lk_errors_push(reading->errors, lk_arena_cstr(reading->arena, lk_str_from(key)));

        if (member != NULL)
            member->read(reading, value);
        else
            report_unknown(reading->errors, key);
        lk_errors_pop(reading->errors, mark);
    }
    if (reading->raw.len > 0)
        use_raw(reading, body);
    else
        lk_explain_write_head(reading);
}

static void check_whole(struct lk_explain_reading *reading, const json_t *body)
{
    struct lk_explain_request *request = reading->request;

    if (json_object_get(body, "listener") == NULL && json_object_get(body, "original_destination") == NULL)
        lk_errors_add(reading->errors, "expected listener or original_destination, or both: where does the request "
                                       "come in?");
    if (request->transport.len == 0)
        request->transport = request->sni.len > 0 || request->identity.len > 0 ? LK_STR("tls") : LK_STR("raw_buffer");
}

bool lk_explain_request_parse(struct lk_explain_request *request, struct lk_arena *arena, struct lk_str body,
                              struct lk_errors *errors)
{
    struct lk_explain_reading reading = {.request = request, .arena = arena, .errors = errors};
    size_t before = errors->count;
    json_error_t error;
    json_t *json;

    *request = (struct lk_explain_request){.method = LK_STR("GET"), .path = LK_STR("/")};
    if (body.len == 0)
        return lk_errors_add(errors, "expected a JSON object in the body, got nothing");
    if (body.len > LK_EXPLAIN_BODY_MAX)
        return lk_errors_add(errors, "expected at most %u bytes", LK_EXPLAIN_BODY_MAX);
    json = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        return lk_errors_add(errors, "expected a JSON object: line %d, column %d: %s", error.line, error.column,
                             error.text);
    if (json_is_object(json)) {
        read_members(&reading, json);
        check_whole(&reading, json);
    } else {
        lk_errors_add(errors, "expected a JSON object, got %s", lk_explain_type_name(json));
    }
    json_decref(json);
    return errors->count == before;
}
