/* Parts of the body of POST /explain: texts, metadata, and the head of the request. See explain_request.h. */
#include "proxy/server/explain_reading.h"

#include "proxy/base/mem.h"

const char *lk_explain_type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        break;
    }
    return "null";
}

struct lk_str lk_explain_text_of(struct lk_arena *arena, const json_t *value)
{
    return lk_arena_str(arena, lk_str(json_string_value(value), json_string_length(value)));
}

bool lk_explain_want_string(struct lk_explain_reading *reading, const json_t *value, const char *expected,
                            struct lk_str *out)
{
    if (!json_is_string(value))
        return lk_errors_add(reading->errors, "expected %s, got %s", expected, lk_explain_type_name(value));
    *out = lk_explain_text_of(reading->arena, value);
    return true;
}

bool lk_explain_has_control(struct lk_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    return false;
}

bool lk_explain_want_line(struct lk_explain_reading *reading, const json_t *value, const char *expected,
                          struct lk_str *out)
{
    *out = lk_str(NULL, 0);
    if (!lk_explain_want_string(reading, value, expected, out))
        return false;
    for (size_t i = 0; i < out->len; i++)
        if (out->ptr[i] == '\r' || out->ptr[i] == '\n' || out->ptr[i] == '\0')
            return lk_errors_add(reading->errors, "expected %s without line breaks and NUL", expected);
    return true;
}

/* --- metadata ----------------------------------------------------------------------------------------------------- */

static bool to_value(struct lk_explain_reading *reading, const json_t *json, unsigned depth, struct lk_value *out);

static bool to_list(struct lk_explain_reading *reading, const json_t *json, unsigned depth, struct lk_value *out)
{
    struct lk_value *children = lk_arena_array(reading->arena, json_array_size(json) + 1, sizeof(*children));
    bool ok = true;

    for (size_t i = 0; i < json_array_size(json); i++)
        ok &= to_value(reading, json_array_get(json, i), depth + 1, &children[i]);
    *out = (struct lk_value){
        .kind = LK_VALUE_LIST, .children = children, .child_count = json_array_size(json), .name = out->name};
    return ok;
}

static bool to_object(struct lk_explain_reading *reading, const json_t *json, unsigned depth, struct lk_value *out)
{
    struct lk_value *children = lk_arena_array(reading->arena, json_object_size(json) + 1, sizeof(*children));
    size_t count = 0;
    bool ok = true;
    const char *key;
    json_t *member;

    json_object_foreach((json_t *)json, key, member)
    {
        children[count].name = lk_arena_str(reading->arena, lk_str_from(key));
        ok &= to_value(reading, member, depth + 1, &children[count]);
        count++;
    }
    *out = (struct lk_value){.kind = LK_VALUE_OBJECT, .children = children, .child_count = count, .name = out->name};
    return ok;
}

static bool to_value(struct lk_explain_reading *reading, const json_t *json, unsigned depth, struct lk_value *out)
{
    if (depth > LK_EXPLAIN_METADATA_DEPTH)
        return lk_errors_add(reading->errors, "expected at most %u levels", LK_EXPLAIN_METADATA_DEPTH);
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return to_object(reading, json, depth, out);
    case JSON_ARRAY:
        return to_list(reading, json, depth, out);
    case JSON_STRING:
        out->kind = LK_VALUE_TEXT;
        out->text = lk_explain_text_of(reading->arena, json);
        return true;
    case JSON_INTEGER:
    case JSON_REAL:
        out->kind = LK_VALUE_NUMBER;
        out->number = json_number_value(json);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        out->kind = LK_VALUE_BOOL;
        out->boolean = json_is_true(json);
        return true;
    case JSON_NULL:
        out->kind = LK_VALUE_NULL;
        break;
    }
    return true;
}

void lk_explain_read_metadata(struct lk_explain_reading *reading, const json_t *value)
{
    struct lk_value *out = lk_arena_zalloc(reading->arena, sizeof(*out));
    const char *key;
    json_t *member;

    if (!json_is_object(value)) {
        lk_errors_add(reading->errors, "expected an object of namespaces, got %s", lk_explain_type_name(value));
        return;
    }
    json_object_foreach((json_t *)value, key, member)
    {
        if (json_is_object(member))
            continue;
        size_t mark = lk_errors_push_key(reading->errors, "", lk_str_from(key));
        lk_errors_add(reading->errors, "expected an object of keys and values, got %s", lk_explain_type_name(member));
        lk_errors_pop(reading->errors, mark);
        return;
    }
    if (to_value(reading, value, 1, out))
        reading->request->metadata = out;
}

/* --- the head ----------------------------------------------------------------------------------------------------- */

/* Text that grows in the arena's last block would be wasteful: a list of pieces, joined at the end. */
struct head {
    struct lk_explain_reading *reading;
    char *bytes;
    size_t len, cap;
    size_t headers;
};

static void put(struct head *head, struct lk_str text)
{
    if (head->len + text.len > head->cap) {
        head->cap = LK_MAX(head->cap * 2, head->len + text.len);
        head->bytes = lk_realloc(head->bytes, head->cap);
    }
    if (text.len > 0)
        memcpy(head->bytes + head->len, text.ptr, text.len);
    head->len += text.len;
}

static void put_line(struct head *head, struct lk_str name, struct lk_str value)
{
    put(head, name);
    put(head, LK_STR(": "));
    put(head, value);
    put(head, LK_STR("\r\n"));
}

/* At the current path. */
static void add_header(struct head *head, struct lk_str name, const json_t *value)
{
    struct lk_explain_reading *reading = head->reading;
    struct lk_str text;

    if (!lk_explain_want_line(reading, value, "the value of a header", &text))
        return;
    if (head->headers++ == LK_EXPLAIN_HEADERS_MAX)
        lk_errors_add(reading->errors, "expected at most %u headers", LK_EXPLAIN_HEADERS_MAX);
    if (head->headers > LK_EXPLAIN_HEADERS_MAX)
        return;
    if (lk_str_ieq(name, LK_STR("host")) && reading->has_authority)
        lk_errors_add(reading->errors, "expected either authority or a header host, got both");
    else
        put_line(head, name, text);
}

/* A name that cannot be written as one would become something else. */
static bool check_name(struct lk_explain_reading *reading, struct lk_str name)
{
    if (name.len == 0 || lk_explain_has_control(name) || lk_str_find_byte(name, ':') < name.len)
        return lk_errors_add(reading->errors,
                             "expected the name of a header; pseudo-headers have members of their own");
    return true;
}

static void add_values(struct head *head, struct lk_str name, const json_t *value)
{
    struct lk_errors *errors = head->reading->errors;

    if (!json_is_array(value)) {
        add_header(head, name, value);
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t mark = lk_errors_push_index(errors, "", i);

        add_header(head, name, json_array_get(value, i));
        lk_errors_pop(errors, mark);
    }
}

static void add_object(struct head *head, const json_t *headers)
{
    struct lk_errors *errors = head->reading->errors;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)headers, key, value)
    {
        struct lk_str name = lk_arena_str(head->reading->arena, lk_str_from(key));
        size_t mark = lk_errors_push_key(errors, "headers", name);

        if (check_name(head->reading, name))
            add_values(head, name, value);
        lk_errors_pop(errors, mark);
    }
}

static void add_pairs(struct head *head, const json_t *headers)
{
    struct lk_explain_reading *reading = head->reading;

    for (size_t i = 0; i < json_array_size(headers); i++) {
        const json_t *pair = json_array_get(headers, i);
        size_t mark = lk_errors_push_index(reading->errors, "headers", i);
        struct lk_str name;

        if (!json_is_array(pair) || json_array_size(pair) != 2)
            lk_errors_add(reading->errors, "expected a pair [name, value]");
        else if (lk_explain_want_line(reading, json_array_get(pair, 0), "the name of a header", &name) &&
                 check_name(reading, name))
            add_header(head, name, json_array_get(pair, 1));
        lk_errors_pop(reading->errors, mark);
    }
}

void lk_explain_write_head(struct lk_explain_reading *reading)
{
    struct lk_explain_request *request = reading->request;
    struct head head = {.reading = reading};

    put(&head, request->method);
    put(&head, LK_STR(" "));
    put(&head, request->path);
    put(&head, request->http10 ? LK_STR(" HTTP/1.0\r\n") : LK_STR(" HTTP/1.1\r\n"));
    if (reading->has_authority)
        put_line(&head, LK_STR("host"), reading->authority);
    if (json_is_object(reading->headers))
        add_object(&head, reading->headers);
    else if (json_is_array(reading->headers))
        add_pairs(&head, reading->headers);
    else if (reading->headers != NULL)
        lk_errors_add_at(reading->errors, "headers",
                         "expected an object of names and values, or a list of pairs [name, value], got %s",
                         lk_explain_type_name(reading->headers));
    put(&head, LK_STR("\r\n"));
    request->wire = lk_arena_str(reading->arena, lk_str(head.bytes, head.len));
    lk_free(head.bytes);
}
