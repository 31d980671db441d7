/* The body machine. See h1_body.h. Chunk framing may come one byte at a time; payload passes without being touched. */
#include "proxy/http/h1_body.h"

#include "proxy/base/mem.h"
#include "proxy/http/h1_bytes.h"

enum state {
    SIZE,       /* hexadecimal digits */
    BEFORE_EXT, /* blanks, then ';' */
    EXT_START,  /* blanks, then a name */
    EXT_NAME,
    AFTER_NAME,  /* blanks, then '=', ';' */
    VALUE_START, /* blanks, then a token or a quoted string */
    VALUE_TOKEN,
    VALUE_QUOTED,
    VALUE_ESCAPE, /* behind a backslash */
    AFTER_QUOTED,
    SIZE_LF, /* LF of the chunk line */
    PAYLOAD,
    PAYLOAD_CR,
    PAYLOAD_LF,
};

/* 64 bits. */
#define SIZE_DIGITS_MAX 16

void lk_h1_body_begin(struct lk_h1_body *body, enum lk_h1_body_kind kind, uint64_t length)
{
    *body = (struct lk_h1_body){.kind = (uint8_t)kind, .left = length, .state = SIZE};
}

static unsigned hex(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Behind a size, a name or a value of an extension: the end of the line, the next extension, or blanks before it. */
static const char *after_item(struct lk_h1_body *body, char c, enum state blank_state, const char *why)
{
    if (c == '\r')
        body->state = SIZE_LF;
    else if (c == ';')
        body->state = EXT_START;
    else if (is_blank(c))
        body->state = (uint8_t)blank_state;
    else
        return why;
    return NULL;
}

/* A blank here belongs to what follows; the line may not end in it (RFC 9112 7.1.1). */
static const char *before_ext_byte(struct lk_h1_body *body, char c)
{
    if (c == ';')
        body->state = EXT_START;
    else if (!is_blank(c))
        return "a blank in a chunk line";
    return NULL;
}

static const char *size_byte(struct lk_h1_body *body, char c)
{
    if (!lk_char_is(c, LK_CHAR_HEX)) {
        if (body->digits == 0)
            return "a chunk has no size";
        return after_item(body, c, BEFORE_EXT, "a chunk size is not hexadecimal");
    }
    if (++body->digits > SIZE_DIGITS_MAX)
        return "a chunk size has too many digits";
    body->left = body->left << 4 | hex(c);
    return NULL;
}

static const char *ext_name_byte(struct lk_h1_body *body, char c)
{
    static const char why[] = "a chunk extension is not name[=value]";
    switch ((enum state)body->state) {
    case EXT_START:
        if (lk_char_is(c, LK_CHAR_TOKEN))
            body->state = EXT_NAME;
        else if (!is_blank(c))
            return why;
        return NULL;
    case EXT_NAME:
        if (lk_char_is(c, LK_CHAR_TOKEN))
            return NULL;
        break;
    default: /* AFTER_NAME: the line does not end here */
        if (c == '\r')
            return why;
        break;
    }
    if (c != '=')
        return after_item(body, c, AFTER_NAME, why);
    body->state = VALUE_START;
    return NULL;
}

static const char *ext_value_byte(struct lk_h1_body *body, char c)
{
    static const char why[] = "the value of a chunk extension is neither token nor quoted";
    switch ((enum state)body->state) {
    case VALUE_ESCAPE:
        body->state = VALUE_QUOTED;
        return lk_char_is(c, LK_CHAR_VALUE) ? NULL : why;
    case VALUE_QUOTED:
        if (c == '"')
            body->state = AFTER_QUOTED;
        else if (c == '\\')
            body->state = VALUE_ESCAPE;
        return lk_char_is(c, LK_CHAR_VALUE) ? NULL : why;
    case VALUE_TOKEN:
        return lk_char_is(c, LK_CHAR_TOKEN) ? NULL : after_item(body, c, BEFORE_EXT, why);
    default:
        break;
    }
    if (lk_char_is(c, LK_CHAR_TOKEN))
        body->state = VALUE_TOKEN;
    else if (c == '"')
        body->state = VALUE_QUOTED;
    else if (!is_blank(c))
        return why;
    return NULL;
}

static const char *framing_byte(struct lk_h1_body *body, char c)
{
    switch ((enum state)body->state) {
    case SIZE:
        return size_byte(body, c);
    case BEFORE_EXT:
        return before_ext_byte(body, c);
    case EXT_START:
    case EXT_NAME:
    case AFTER_NAME:
        return ext_name_byte(body, c);
    case AFTER_QUOTED:
        return after_item(body, c, BEFORE_EXT, "junk behind a quoted chunk extension");
    case VALUE_START:
    case VALUE_TOKEN:
    case VALUE_QUOTED:
    case VALUE_ESCAPE:
        return ext_value_byte(body, c);
    case SIZE_LF:
        body->state = PAYLOAD;
        return c == '\n' ? NULL : "the CR of a chunk line is not followed by LF";
    case PAYLOAD_CR:
        body->state = PAYLOAD_LF;
        return c == '\r' ? NULL : "chunk data is not followed by CRLF";
    case PAYLOAD_LF:
        body->state = SIZE;
        body->line_used = 0;
        body->digits = 0;
        return c == '\n' ? NULL : "chunk data is not followed by CRLF";
    case PAYLOAD:
        break;
    }
    lk_panic("body state %u", body->state);
}

static enum lk_h1_body_event take_payload(struct lk_h1_body *body, const char *data, size_t len, size_t *used,
                                          struct lk_str *payload)
{
    size_t take = len < body->left ? len : (size_t)body->left;
    *payload = lk_str(data, take);
    *used += take;
    body->left -= take;
    return take > 0 ? LK_H1_BODY_DATA : LK_H1_BODY_MORE;
}

static enum lk_h1_body_event chunked_next(struct lk_h1_body *body, const char *data, size_t len, size_t *used,
                                          struct lk_str *payload, const char **why)
{
    while (body->state != PAYLOAD) {
        if (*used == len)
            return LK_H1_BODY_MORE;
        *why = framing_byte(body, data[(*used)++]);
        if (*why == NULL && ++body->line_used > LK_H1_CHUNK_LINE_MAX)
            *why = "a chunk line is too long";
        if (*why != NULL)
            return LK_H1_BODY_BAD;
    }
    if (body->digits > 0 && body->left == 0)
        return LK_H1_BODY_TRAILERS;
    enum lk_h1_body_event event = take_payload(body, data + *used, len - *used, used, payload);
    if (body->left == 0) {
        body->digits = 0;
        body->state = PAYLOAD_CR;
    }
    return event;
}

enum lk_h1_body_event lk_h1_body_next(struct lk_h1_body *body, const char *data, size_t len, size_t *used,
                                      struct lk_str *payload, const char **why)
{
    *used = 0;
    *payload = lk_str(data, 0);
    switch ((enum lk_h1_body_kind)body->kind) {
    case LK_H1_BODY_NONE:
        return LK_H1_BODY_END;
    case LK_H1_BODY_CHUNKED:
        return chunked_next(body, data, len, used, payload, why);
    case LK_H1_BODY_UNTIL_CLOSE:
        *payload = lk_str(data, len);
        *used = len;
        return len > 0 ? LK_H1_BODY_DATA : LK_H1_BODY_MORE;
    case LK_H1_BODY_LENGTH: {
        enum lk_h1_body_event event = take_payload(body, data, len, used, payload);
        return body->left == 0 ? LK_H1_BODY_END : event;
    }
    }
    lk_panic("body kind %u", body->kind);
}
