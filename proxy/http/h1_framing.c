/*
 * The scanner of heads and trailer sections: one small step per token, each of which either completes, waits for bytes
 * or refuses. See h1_framing.h; what the fields say about framing is judged in h1_fields.c.
 */
#include "proxy/http/h1_framing.h"

#include "proxy/base/mem.h"
#include "proxy/http/h1_bytes.h"
#include "proxy/http/h1_fields.h"

enum state { START, TARGET, VERSION, STATUS, REASON, LINE, NAME, BLANK, VALUE };
enum step { NEXT, WAIT, REFUSED, COMPLETE };

/* Longer than any known method. */
#define METHOD_MAX 16

/* A step gets the place where its token began and the place to go on from, and leaves the next place in p. When bytes
 * run out it notes both in the scan and WAITs; on that path alone the state is written. */
struct cursor {
    const char *base;
    const char *p;
    const char *end;
    struct lk_h1_scan *scan;
    struct lk_h1_head *head;
    const struct lk_h1_limits *limits;
    struct lk_codec_error *error;
    struct lk_h1_field field; /* the current one */
};

static enum step refuse(struct cursor *c, unsigned status, const char *details, const char *text)
{
    *c->error = (struct lk_codec_error){status, details, text};
    return REFUSED;
}

static enum step bad(struct cursor *c, const char *text)
{
    return refuse(c, 400, "http1.codec_error", text);
}

static uint32_t offset(const struct cursor *c, const char *p)
{
    return (uint32_t)(p - c->base);
}

static enum step suspend(struct cursor *c, enum state state, const char *mark, const char *p)
{
    c->scan->state = (uint8_t)state;
    c->scan->mark = offset(c, mark);
    c->scan->pos = offset(c, p);
    return WAIT;
}

static enum step next(struct cursor *c, const char *p)
{
    c->p = p;
    return NEXT;
}

static enum step scan_method(struct cursor *c, const char *p)
{
    p = skip_class(p, c->end, LK_CHAR_TOKEN);
    size_t len = (size_t)(p - c->base);
    if (len > METHOD_MAX)
        return bad(c, "the method is not known");
    if (p == c->end)
        return suspend(c, START, c->base, p);
    if (*p != ' ')
        return bad(c, "a method is a token followed by one space");
    if (!lk_method_known(lk_str(c->base, len)))
        return bad(c, "the method is not known");
    c->head->method_len = (uint32_t)len;
    return next(c, p + 1);
}

static enum step scan_target(struct cursor *c, const char *mark, const char *p)
{
    p = skip_target(p, c->end);
    if (p == c->end)
        return suspend(c, TARGET, mark, p);
    if (p == mark)
        return bad(c, "the request target is empty");
    if (*p == '\r')
        return refuse(c, 426, "low_version", "the request line has no version");
    if (*p != ' ') {
        bool control = (unsigned char)*p < 0x80 && *p != '\n';
        return refuse(c, 400, control ? "http1.invalid_characters" : "http1.codec_error",
                      "a request target is visible ASCII followed by one space");
    }
    c->head->target = offset(c, mark);
    c->head->target_len = (uint32_t)(p - mark);
    return next(c, p + 1);
}

#define VERSION_LEN 8u

/* Whether the first n bytes can be the begin of HTTP/d.d. */
static bool version_begins(const char *p, size_t n)
{
    static const char form[] = "HTTP/0.0";
    for (size_t i = 0; i < n; i++)
        if (form[i] == '0' ? !lk_char_is(p[i], LK_CHAR_DIGIT) : p[i] != form[i])
            return false;
    return true;
}

/* Waiting consumes nothing: there are few bytes to look at again. `state` is where the caller goes on then. */
static enum step scan_version(struct cursor *c, enum state state, const char *p)
{
    size_t avail = (size_t)(c->end - p);
    if (avail >= VERSION_LEN && memcmp(p, "HTTP/1.1", VERSION_LEN) == 0) {
        c->head->minor = 1;
        return next(c, p + VERSION_LEN);
    }
    if (!version_begins(p, LK_MIN(avail, VERSION_LEN)))
        return bad(c, "the version is not of the form HTTP/1.1");
    if (avail < VERSION_LEN)
        return suspend(c, state, p, p);
    if (p[5] != '1' || p[7] != '0')
        return refuse(c, 426, "low_version", "the version is neither HTTP/1.0 nor HTTP/1.1");
    c->head->minor = 0;
    return next(c, p + VERSION_LEN);
}

static enum step scan_request_version(struct cursor *c, const char *p)
{
    enum step step = scan_version(c, VERSION, p);
    if (step != NEXT)
        return step;
    const char *after = c->p;
    if (after < c->end && *after != '\r')
        return bad(c, "the request line does not end behind the version");
    if (c->end - after < 2)
        return suspend(c, VERSION, p, p);
    return after[1] == '\n' ? next(c, after + 2) : bad(c, "the request line does not end in CRLF");
}

/* " 200", then a space or CR (which the reason takes). */
static enum step scan_status(struct cursor *c, const char *p)
{
    if (c->end - p < 5)
        return suspend(c, STATUS, p, p);
    if (p[0] != ' ' || lk_str_span_class(lk_str(p + 1, 3), LK_CHAR_DIGIT) != 3 || p[1] == '0')
        return bad(c, "the status is not a number of three digits");
    if (p[4] != ' ' && p[4] != '\r')
        return bad(c, "the status is not followed by a space or CRLF");
    c->head->status = (uint16_t)((p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0'));
    return next(c, p + 4);
}

/* At a byte that ended a value or reason and is not the begin of a good CRLF. */
static enum step bad_line_end(struct cursor *c, const char *p)
{
    if (*p == '\r')
        return bad(c, "a CR is not followed by LF");
    if (*p == '\n')
        return bad(c, "a line ends in a bare LF");
    return refuse(c, 400, "http1.invalid_characters", "a control byte in a value");
}

/* The CRLF of a token that began at mark; p is where the token ends. */
static inline enum step line_end(struct cursor *c, enum state state, const char *mark, const char *p)
{
    if (p == c->end || (*p == '\r' && p + 1 == c->end))
        return suspend(c, state, mark, p);
    return *p == '\r' && p[1] == '\n' ? next(c, p + 2) : bad_line_end(c, p);
}

static enum step scan_reason(struct cursor *c, const char *p)
{
    p = skip_value(p, c->end);
    return line_end(c, REASON, p, p);
}

/* The value is [mark, end). */
static inline enum step store_field(struct cursor *c, const char *mark, const char *end)
{
    while (end > mark && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (++c->scan->fields > c->limits->fields)
        return refuse(c, 431, "http1.too_many_headers", "too many fields");
    if (c->scan->interrupted)
        return NEXT;
    c->field.value = offset(c, mark);
    c->field.value_len = (uint32_t)(end - mark);
    struct lk_h1_head *head = c->head;
    if (head->count < head->cap)
        head->fields[head->count] = c->field;
    head->count++;
    if (!lk_h1_field_matters(c->field.id) || c->scan->part == LK_H1_TRAILERS)
        return NEXT;
    bool good = lk_h1_field_note(head, (enum lk_h1_part)c->scan->part, &c->field, c->base, c->error);
    return good ? NEXT : REFUSED;
}

static inline enum step scan_value(struct cursor *c, const char *mark, const char *p)
{
    p = skip_value(p, c->end);
    enum step step = line_end(c, VALUE, mark, p);
    return step == NEXT ? store_field(c, mark, p) : step;
}

static inline enum step scan_blank(struct cursor *c, const char *p)
{
    while (p < c->end && (*p == ' ' || *p == '\t'))
        p++;
    return p == c->end ? suspend(c, BLANK, p, p) : scan_value(c, p, p);
}

/* From the first byte that no field name may have to the end of what is known of the name. */
static enum step bad_name(struct cursor *c, const char *p, const char *end)
{
    for (; p < end; p++) {
        unsigned char byte = (unsigned char)*p;
        if ((byte < 0x20 && byte != '\t' && byte != '\r' && byte != '\n') || byte == 0x7f)
            return refuse(c, 400, "http1.invalid_characters", "a control byte in a field name");
    }
    return bad(c, "a field name is a token followed by a colon");
}

static inline enum step scan_name(struct cursor *c, const char *mark, const char *p)
{
    const char *colon = find_colon(p, c->end);
    if (colon == c->end) {
        const char *wrong = skip_class(p, c->end, LK_CHAR_TOKEN);
        return wrong != c->end ? bad_name(c, wrong, colon) : suspend(c, NAME, mark, colon);
    }
    struct lk_str name = lk_str(mark, (size_t)(colon - mark));
    enum lk_header_id id = lk_header_id_of(name);
    if (id == LK_HEADER_OTHER && !lk_header_name_valid(name))
        return bad_name(c, skip_class(mark, colon, LK_CHAR_TOKEN), colon);
    c->field.name = offset(c, mark);
    c->field.name_len = (uint32_t)name.len;
    c->field.id = (uint16_t)id;
    return scan_blank(c, colon + 1);
}

static inline enum step scan_line(struct cursor *c, const char *p)
{
    if (p == c->end)
        return suspend(c, LINE, p, p);
    if (*p == '\r') {
        enum step step = line_end(c, LINE, p, p);
        return step == NEXT ? COMPLETE : step;
    }
    if (*p == ' ' || *p == '\t')
        return bad(c, "a line begins with white space");
    return scan_name(c, p, p);
}

/* Steps up to the first field line, from START or wherever the scan stands. */
static enum step scan_start_line(struct cursor *c, enum state state, const char *mark)
{
    enum step step = NEXT;
    bool request = c->scan->part == LK_H1_REQUEST;
    if (request && state == START) {
        step = scan_method(c, c->p);
        mark = c->p;
    }
    if (request && step == NEXT && state <= TARGET)
        step = scan_target(c, mark, c->p);
    if (request && step == NEXT)
        return scan_request_version(c, c->p);
    if (step == NEXT && state == START)
        step = scan_version(c, START, c->p);
    if (step == NEXT && state <= STATUS)
        step = scan_status(c, c->p);
    return step == NEXT ? scan_reason(c, c->p) : step;
}

/* The rest of the token at which the last call stopped. */
static enum step go_on(struct cursor *c)
{
    enum state state = (enum state)c->scan->state;
    const char *mark = c->base + c->scan->mark;
    switch (state) {
    case LINE:
        return NEXT;
    case NAME:
        return scan_name(c, mark, c->p);
    case BLANK:
        return scan_blank(c, c->p);
    case VALUE:
        return scan_value(c, mark, c->p);
    default:
        return c->scan->part == LK_H1_TRAILERS ? NEXT : scan_start_line(c, state, mark);
    }
}

static enum step run(struct cursor *c, size_t len)
{
    size_t limit = c->limits->bytes;
    c->end = c->base + LK_MIN(len, limit);
    c->p = c->base + c->scan->pos;
    enum step step = go_on(c);
    while (step == NEXT)
        step = scan_line(c, c->p);
    if (step == WAIT && len >= limit)
        return refuse(c, 431, "http1.headers_too_large", "the section is larger than the limit");
    return step;
}

enum lk_h1_result lk_h1_scan(struct lk_h1_scan *scan, const char *data, size_t len, const struct lk_h1_limits *limits,
                             struct lk_h1_head *head, struct lk_codec_error *error)
{
    struct cursor c = {.base = data, .scan = scan, .head = head, .limits = limits, .error = error};
    *head = (struct lk_h1_head){.fields = head->fields, .cap = head->cap};
    enum step step = run(&c, len);
    if (step == COMPLETE && scan->interrupted) {
        lk_h1_scan_begin(scan, (enum lk_h1_part)scan->part);
        step = run(&c, len);
    }
    if (step == WAIT) {
        scan->interrupted = scan->pos > 0;
        return LK_H1_MORE;
    }
    if (step == COMPLETE && scan->part != LK_H1_TRAILERS && !lk_h1_framing_check(head, error))
        step = REFUSED;
    if (step == REFUSED)
        return LK_H1_BAD;
    head->size = offset(&c, c.p);
    lk_h1_scan_begin(scan, (enum lk_h1_part)scan->part);
    return LK_H1_DONE;
}

bool lk_h1_skip_empty_lines(const char *data, size_t len, size_t *skipped, struct lk_codec_error *error)
{
    size_t i = 0;
    while (i < len && (data[i] == '\r' || data[i] == '\n')) {
        bool wait = data[i] == '\r' && i + 1 == len;
        if (wait)
            break;
        if (data[i] == '\n' || data[i + 1] != '\n') {
            *error = (struct lk_codec_error){400, "http1.codec_error", "a bare CR or LF before a request"};
            return false;
        }
        i += 2;
    }
    *skipped = i;
    return true;
}
