/* The fields that frame a message or manage its connection. See h1_fields.h; called for the fields that
 * lk_h1_field_matters knows. */
#include "proxy/http/h1_fields.h"

#include "proxy/http/validate.h"

static bool refuse(struct lk_codec_error *error, unsigned status, const char *details, const char *text)
{
    *error = (struct lk_codec_error){status, details, text};
    return false;
}

static bool note_length(struct lk_h1_head *head, struct lk_str value, struct lk_codec_error *error)
{
    if (head->flags & LK_H1_HAS_LENGTH)
        return refuse(error, 400, "http1.codec_error", "more than one content-length");
    if (!lk_content_length_parse(value, &head->content_length))
        return refuse(error, 400, "http1.codec_error", "the content-length is not one number");
    head->flags |= LK_H1_HAS_LENGTH;
    return true;
}

/* Judged when the head is complete: a length beside it is the graver mistake. */
static void note_coding(struct lk_h1_head *head, struct lk_str value)
{
    if ((head->flags & LK_H1_CHUNKED) || !lk_str_ieq(value, LK_STR("chunked")))
        head->flags |= LK_H1_BAD_CODING;
    head->flags |= LK_H1_CHUNKED;
}

static bool note_host(struct lk_h1_head *head, struct lk_str value, struct lk_codec_error *error)
{
    if (head->flags & LK_H1_HAS_HOST)
        return refuse(error, 400, "http1.codec_error", "more than one host");
    if (!lk_authority_valid(value))
        return refuse(error, 400, "http.invalid_authority", "a byte in the host that no authority has");
    head->flags |= LK_H1_HAS_HOST;
    return true;
}

static void note_connection(struct lk_h1_head *head, struct lk_str value)
{
    if (lk_str_eq(value, LK_STR("keep-alive"))) {
        head->flags |= LK_H1_KEEP_ALIVE;
        return;
    }
    while (value.ptr != NULL) {
        struct lk_str token = lk_str_trim(lk_str_split(&value, ','));
        if (lk_str_ieq(token, LK_STR("close")))
            head->flags |= LK_H1_CLOSE;
        else if (lk_str_ieq(token, LK_STR("keep-alive")))
            head->flags |= LK_H1_KEEP_ALIVE;
        else if (lk_str_ieq(token, LK_STR("upgrade")))
            head->flags |= LK_H1_UPGRADE;
    }
}

/* "timeout=5, max=100" (RFC 2068 19.7.1.1, as servers still send it). */
static void note_keep_alive(struct lk_h1_head *head, struct lk_str value)
{
    while (value.ptr != NULL) {
        struct lk_str parameter = lk_str_trim(lk_str_split(&value, ','));
        uint64_t seconds;
        if (lk_str_has_iprefix(parameter, LK_STR("timeout=")) && lk_str_to_u64(lk_str_drop(parameter, 8), &seconds))
            head->keep_alive_s = seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
    }
}

bool lk_h1_field_note(struct lk_h1_head *head, enum lk_h1_part part, const struct lk_h1_field *field, const char *base,
                      struct lk_codec_error *error)
{
    struct lk_str value = lk_str(base + field->value, field->value_len);
    switch (field->id) {
    case LK_HEADER_AUTHORITY:
        return part == LK_H1_RESPONSE || note_host(head, value, error);
    case LK_HEADER_CONTENT_LENGTH:
        return note_length(head, value, error);
    case LK_HEADER_TRANSFER_ENCODING:
        note_coding(head, value);
        return true;
    case LK_HEADER_CONNECTION:
    case LK_HEADER_PROXY_CONNECTION:
        note_connection(head, value);
        return true;
    case LK_HEADER_KEEP_ALIVE:
        note_keep_alive(head, value);
        return true;
    case LK_HEADER_UPGRADE:
        head->flags |= LK_H1_HAS_UPGRADE;
        return true;
    default:
        return true;
    }
}

bool lk_h1_framing_check(const struct lk_h1_head *head, struct lk_codec_error *error)
{
    if (!(head->flags & LK_H1_CHUNKED))
        return true;
    if (head->flags & LK_H1_HAS_LENGTH)
        return refuse(error, 400, "http1.content_length_and_chunked_not_allowed",
                      "content-length and transfer-encoding together");
    if (head->flags & LK_H1_BAD_CODING)
        return refuse(error, 501, "http1.invalid_transfer_encoding", "a transfer-encoding other than chunked");
    if (head->minor == 0)
        return refuse(error, 400, "http1.invalid_transfer_encoding", "transfer-encoding in an HTTP/1.0 message");
    return true;
}
