/*
 * Our framing against http-parser's: whatever h1_framing and h1_body accept, http-parser accepts too and understands in
 * the same way: start line, fields, lengths, payload, and where the message ends. The other direction is not demanded:
 * we refuse much that it lets pass. The first byte chooses request or response and the size of our pieces.
 * lk_fuzz_library: lk_http
 * lk_fuzz_package: http_parser
 */
#include "proxy/base/mem.h"
#include "proxy/http/h1_body.h"
#include "proxy/http/h1_framing.h"
#include "proxy/http/headers.h"
#include "proxy/http/validate.h"

#include <http_parser.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS 64u
#define TEXT_MAX 65536u

/* A message as one of the two saw it: text of fields and payload, in a form in which both can write it. */
struct view {
    char text[TEXT_MAX];
    size_t len;
    bool in_value;
};

static void view_add(struct view *v, const char *p, size_t len)
{
    LK_ASSERT(v->len + len <= TEXT_MAX);
    if (len > 0)
        memcpy(v->text + v->len, p, len);
    v->len += len;
}

/* --- http-parser -------------------------------------------------------------------------------------------------- */

struct theirs {
    http_parser parser;
    struct view view;
    bool headers_done;
    bool complete;
};

static struct theirs *theirs_of(http_parser *parser)
{
    return LK_CONTAINER_OF(parser, struct theirs, parser);
}

/* It hands out trailing blanks of values. */
static void end_value(struct view *v)
{
    while (v->in_value && v->len > 0 && (v->text[v->len - 1] == ' ' || v->text[v->len - 1] == '\t'))
        v->len--;
    v->in_value = false;
}

static int on_url(http_parser *parser, const char *at, size_t len)
{
    view_add(&theirs_of(parser)->view, at, len);
    return 0;
}

/* The input is given at once, so that each name and each value comes whole. */
static int on_field(http_parser *parser, const char *at, size_t len)
{
    struct view *v = &theirs_of(parser)->view;
    end_value(v);
    view_add(v, "\n", 1);
    view_add(v, at, len);
    view_add(v, ":", 1);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
    struct view *v = &theirs_of(parser)->view;
    v->in_value = true;
    view_add(v, at, len);
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    struct theirs *t = theirs_of(parser);
    end_value(&t->view);
    view_add(&t->view, "\n\n", 2);
    t->headers_done = true;
    unsigned status = parser->type == HTTP_RESPONSE ? parser->status_code : 200;
    return status < 200 || status == 204 || status == 304; /* no body, whatever the fields say */
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
    view_add(&theirs_of(parser)->view, at, len);
    return 0;
}

static int on_message_complete(http_parser *parser)
{
    struct theirs *t = theirs_of(parser);
    end_value(&t->view);
    t->complete = true;
    return 0;
}

/* --- ours --------------------------------------------------------------------------------------------------------- */

struct ours {
    struct lk_h1_head head;
    struct lk_h1_field fields[FIELDS];
    struct view view;
    size_t used; /* up to the end of what was understood */
    bool complete;
    bool bad;
};

/* Scans a section at o->used, growing by piece. */
static bool scan_section(struct ours *o, enum lk_h1_part part, const char *data, size_t size, size_t piece)
{
    struct lk_h1_limits limits = {.bytes = 1u << 20, .fields = FIELDS};
    struct lk_h1_scan scan;
    struct lk_codec_error error = {0};
    lk_h1_scan_begin(&scan, part);
    for (size_t have = o->used; have < size;) {
        have = LK_MIN(have + piece, size);
        o->head.fields = o->fields;
        o->head.cap = FIELDS;
        enum lk_h1_result result = lk_h1_scan(&scan, data + o->used, have - o->used, &limits, &o->head, &error);
        LK_ASSERT((result == LK_H1_BAD) == (error.details != NULL));
        if (result != LK_H1_MORE) {
            o->bad = result == LK_H1_BAD;
            return result == LK_H1_DONE;
        }
    }
    return false;
}

static void view_section(struct ours *o, const char *data)
{
    for (uint32_t i = 0; i < o->head.count; i++) {
        const struct lk_h1_field *f = &o->fields[i];
        view_add(&o->view, "\n", 1);
        view_add(&o->view, data + f->name, f->name_len);
        view_add(&o->view, ":", 1);
        view_add(&o->view, data + f->value, f->value_len);
        LK_ASSERT(lk_header_name_valid(lk_str(data + f->name, f->name_len)));
        LK_ASSERT(lk_header_value_valid(lk_str(data + f->value, f->value_len)));
    }
}

static void read_body(struct ours *o, struct lk_h1_body *body, const char *data, size_t size, size_t piece)
{
    enum lk_h1_body_event event = LK_H1_BODY_MORE;
    while (o->used < size || body->kind == LK_H1_BODY_NONE) {
        size_t used;
        struct lk_str payload;
        const char *why = NULL;
        event = lk_h1_body_next(body, data + o->used, LK_MIN(piece, size - o->used), &used, &payload, &why);
        view_add(&o->view, payload.ptr, payload.len);
        o->used += used;
        if (event == LK_H1_BODY_END || event == LK_H1_BODY_TRAILERS || event == LK_H1_BODY_BAD)
            break;
    }
    o->complete = event == LK_H1_BODY_END;
    o->bad = event == LK_H1_BODY_BAD;
    if (event == LK_H1_BODY_TRAILERS && scan_section(o, LK_H1_TRAILERS, data, size, piece)) {
        view_section(o, data + o->used);
        o->used += o->head.size;
        o->complete = true;
    }
}

static void begin_body(const struct lk_h1_head *head, bool request, struct lk_h1_body *body)
{
    bool none = !request && (head->status < 200 || head->status == 204 || head->status == 304);
    if (none)
        lk_h1_body_begin(body, LK_H1_BODY_NONE, 0);
    else if (head->flags & LK_H1_CHUNKED)
        lk_h1_body_begin(body, LK_H1_BODY_CHUNKED, 0);
    else if (head->content_length > 0)
        lk_h1_body_begin(body, LK_H1_BODY_LENGTH, head->content_length);
    else if (request || (head->flags & LK_H1_HAS_LENGTH))
        lk_h1_body_begin(body, LK_H1_BODY_NONE, 0);
    else
        lk_h1_body_begin(body, LK_H1_BODY_UNTIL_CLOSE, 0);
}

/* --- comparison --------------------------------------------------------------------------------------------------- */

/* It takes any name that begins so for the field itself. */
static bool resembles_coding(const struct ours *o, const char *data)
{
    struct lk_str coding = LK_STR("transfer-encoding");
    for (uint32_t i = 0; i < o->head.count; i++) {
        struct lk_str name = lk_str(data + o->fields[i].name, o->fields[i].name_len);
        if (name.len > coding.len && lk_str_has_iprefix(name, coding))
            return true;
    }
    return false;
}

/* It does not take HTAB for white space behind a length. */
static bool has_tab_behind_length(const struct ours *o, const char *data)
{
    for (uint32_t i = 0; i < o->head.count; i++) {
        const struct lk_h1_field *f = &o->fields[i];
        const char *p = data + f->value + f->value_len;
        while (f->id == LK_HEADER_CONTENT_LENGTH && *p != '\r')
            if (*p++ == '\t')
                return true;
    }
    return false;
}

/* What http-parser cannot be asked about: methods and targets it does not know, the last of 64-bit lengths, an upgrade
 * (where it stops), and CONNECT. */
static bool comparable(const struct ours *o, const char *data, bool request)
{
    if (resembles_coding(o, data) || has_tab_behind_length(o, data))
        return false;
    if (!request)
        return o->head.status != 101 && !(o->head.flags & LK_H1_UPGRADE);
    struct lk_str method = lk_str(data, o->head.method_len);
    bool known = !lk_str_eq(method, LK_STR("MSEARCH")) && !lk_str_eq(method, LK_STR("QUERY")) &&
                 !lk_str_eq(method, LK_STR("CONNECT"));
    char first = data[o->head.target];
    return known && (first == '/' || first == '*') && !(o->head.flags & LK_H1_UPGRADE);
}

static void parse_theirs(struct theirs *t, const char *data, size_t size, bool request)
{
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_headers_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message_complete;
    memset(t, 0, sizeof(*t));
    http_parser_init(&t->parser, request ? HTTP_REQUEST : HTTP_RESPONSE);
    LK_ASSERT(http_parser_execute(&t->parser, &settings, data, size) == size);
    LK_ASSERT(HTTP_PARSER_ERRNO(&t->parser) == HPE_OK);
}

static void check_head(const struct ours *o, const struct theirs *t, const char *data, bool request)
{
    LK_ASSERT(t->headers_done);
    LK_ASSERT(t->parser.http_major == 1 && t->parser.http_minor == o->head.minor);
    if (request)
        LK_ASSERT(lk_str_eq(lk_str_from(http_method_str((enum http_method)t->parser.method)),
                            lk_str(data, o->head.method_len)));
    else
        LK_ASSERT(t->parser.status_code == o->head.status);
}

/* Fields of framing in a trailer section, which http-parser judges as if they framed something. */
static bool trailers_frame(const struct ours *o)
{
    for (uint32_t i = 0; i < LK_MIN(o->head.count, FIELDS); i++)
        if (!lk_trailer_allowed(o->fields[i].id))
            return true;
    return false;
}

static void compare(struct ours *o, struct theirs *t, const char *data, size_t size, bool request, size_t piece)
{
    struct lk_h1_body body;
    begin_body(&o->head, request, &body);
    bool chunked = body.kind == LK_H1_BODY_CHUNKED;
    if (request)
        view_add(&o->view, data + o->head.target, o->head.target_len);
    view_section(o, data);
    view_add(&o->view, "\n\n", 2);
    struct lk_h1_head head = o->head;
    o->used = head.size;
    read_body(o, &body, data, size, piece);
    if (o->bad || body.left > UINT64_MAX / 32 || (chunked && trailers_frame(o)))
        return;
    if (chunked && !o->complete && body.kind == LK_H1_BODY_CHUNKED)
        return;
    o->head = head;
    size_t end = o->complete ? o->used : size;
    parse_theirs(t, data, end, request);
    check_head(o, t, data, request);
    LK_ASSERT(t->complete == o->complete);
    LK_ASSERT(o->view.len == t->view.len && memcmp(o->view.text, t->view.text, o->view.len) == 0);
    if (!o->complete)
        return;
    parse_theirs(t, data, end - 1, request);
    LK_ASSERT(!t->complete);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > TEXT_MAX / 2)
        return 0;
    bool request = !(data[0] & 1);
    size_t piece = (size_t)(data[0] >> 1) + 1;
    char *copy = malloc(size - 1);
    memcpy(copy, data + 1, size - 1);
    struct ours *o = calloc(1, sizeof(*o));
    struct theirs *t = calloc(1, sizeof(*t));
    bool done = scan_section(o, request ? LK_H1_REQUEST : LK_H1_RESPONSE, copy, size - 1, piece);
    if (done && comparable(o, copy, request))
        compare(o, t, copy, size - 1, request, piece);
    free(t);
    free(o);
    free(copy);
    return 0;
}
