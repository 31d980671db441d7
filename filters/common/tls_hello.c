/* ClientHello reader. Pure; any thread. */
#include "filters/common/tls_hello.h"

#define RECORD_HEADER 5u
#define CONTENT_HANDSHAKE 22
#define HANDSHAKE_CLIENT_HELLO 1
#define RECORD_MAX (16384u + 256u)
#define HELLO_MAX 65536u
#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN 16

/* A cursor that fails once and for all when something does not fit. */
struct reader {
    const unsigned char *p;
    size_t left;
    bool bad;
};

static size_t take_number(struct reader *r, unsigned bytes)
{
    size_t value = 0;
    if (r->left < bytes) {
        r->bad = true;
        r->left = 0;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | r->p[i];
    r->p += bytes;
    r->left -= bytes;
    return value;
}

static struct reader take_block(struct reader *r, size_t len)
{
    struct reader block = {r->p, len, false};
    if (r->bad || r->left < len) {
        r->bad = true;
        r->left = 0;
        return (struct reader){r->p, 0, true};
    }
    r->p += len;
    r->left -= len;
    return block;
}

static struct reader take_vector(struct reader *r, unsigned length_bytes)
{
    size_t len = take_number(r, length_bytes);
    return take_block(r, len);
}

static void read_server_name(struct reader extension, struct lk_hello *hello)
{
    struct reader list = take_vector(&extension, 2);
    while (list.left > 0 && !list.bad) {
        size_t type = take_number(&list, 1);
        struct reader name = take_vector(&list, 2);
        if (type == 0 && !name.bad && hello->sni.len == 0)
            hello->sni = lk_str((const char *)name.p, name.left);
    }
}

static void read_alpn(struct reader extension, struct lk_hello *hello)
{
    struct reader list = take_vector(&extension, 2);
    while (list.left > 0 && !list.bad && hello->alpn_count < LK_HELLO_ALPN_MAX) {
        struct reader name = take_vector(&list, 1);
        if (!name.bad && name.left > 0)
            hello->alpn[hello->alpn_count++] = lk_str((const char *)name.p, name.left);
    }
}

static bool read_hello(struct reader body, struct lk_hello *hello)
{
    take_number(&body, 2); /* legacy_version */
    take_block(&body, 32); /* random */
    take_vector(&body, 1); /* legacy_session_id */
    take_vector(&body, 2); /* cipher_suites */
    take_vector(&body, 1); /* legacy_compression_methods */
    if (body.bad)
        return false;
    if (body.left == 0)
        return true; /* a hello without extensions, as old clients send */
    struct reader extensions = take_vector(&body, 2);
    while (extensions.left > 0 && !extensions.bad) {
        size_t type = take_number(&extensions, 2);
        struct reader extension = take_vector(&extensions, 2);
        if (extension.bad)
            return false;
        if (type == EXTENSION_SERVER_NAME)
            read_server_name(extension, hello);
        else if (type == EXTENSION_ALPN)
            read_alpn(extension, hello);
    }
    return !extensions.bad && !body.bad && body.left == 0;
}

/* The first bytes of a handshake record: content type, major version 3, a sane length. */
static enum lk_hello_result check_record(struct lk_str data)
{
    const unsigned char *p = (const unsigned char *)data.ptr;
    if (data.len > 0 && p[0] != CONTENT_HANDSHAKE)
        return LK_HELLO_NOT_TLS;
    if (data.len > 1 && p[1] != 3)
        return LK_HELLO_NOT_TLS;
    if (data.len < RECORD_HEADER)
        return LK_HELLO_MORE;
    size_t len = (size_t)p[3] << 8 | p[4];
    return len == 0 || len > RECORD_MAX ? LK_HELLO_NOT_TLS : LK_HELLO_OK;
}

enum lk_hello_result lk_hello_parse(struct lk_str data, char *scratch, struct lk_hello *hello)
{
    size_t message = 0; /* bytes of the handshake message gathered so far */
    size_t at = 0;
    *hello = (struct lk_hello){.sni = {NULL, 0}};
    for (;;) {
        struct lk_str rest = lk_str_drop(data, at);
        enum lk_hello_result record = check_record(rest);
        if (record != LK_HELLO_OK)
            return record;
        const unsigned char *p = (const unsigned char *)rest.ptr;
        size_t len = (size_t)p[3] << 8 | p[4];
        size_t have = rest.len - RECORD_HEADER < len ? rest.len - RECORD_HEADER : len;
        memcpy(scratch + message, p + RECORD_HEADER, have);
        message += have;
        const unsigned char *m = (const unsigned char *)scratch;
        if (message > 0 && m[0] != HANDSHAKE_CLIENT_HELLO)
            return LK_HELLO_NOT_TLS;
        if (message >= 4) {
            size_t need = ((size_t)m[1] << 16 | (size_t)m[2] << 8 | m[3]) + 4;
            if (need > HELLO_MAX)
                return LK_HELLO_NOT_TLS;
            if (message >= need) {
                hello->size = at + RECORD_HEADER + len;
                struct reader body = {m + 4, need - 4, false};
                return read_hello(body, hello) ? LK_HELLO_OK : LK_HELLO_NOT_TLS;
            }
        }
        if (have < len)
            return LK_HELLO_MORE;
        at += RECORD_HEADER + len;
    }
}
