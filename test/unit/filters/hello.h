/* Writes TLS ClientHellos (RFC 8446 4.1.2) in records of any size. */
#pragma once

#include <stddef.h>
#include <string.h>

struct hello_writer {
    unsigned char *at;
};

static inline void hello_put(struct hello_writer *w, size_t value, unsigned bytes)
{
    while (bytes-- > 0)
        *w->at++ = (unsigned char)(value >> (8 * bytes));
}

static inline void hello_put_text(struct hello_writer *w, const char *text)
{
    memcpy(w->at, text, strlen(text));
    w->at += strlen(text);
}

static inline void hello_put_name(struct hello_writer *w, const char *sni)
{
    size_t len = strlen(sni);
    hello_put(w, 0, 2); /* server_name */
    hello_put(w, len + 5, 2);
    hello_put(w, len + 3, 2);
    hello_put(w, 0, 1);
    hello_put(w, len, 2);
    hello_put_text(w, sni);
}

static inline void hello_put_alpn(struct hello_writer *w, const char *const *alpn)
{
    size_t len = 0;
    for (const char *const *p = alpn; *p != NULL; p++)
        len += strlen(*p) + 1;
    hello_put(w, 16, 2);
    hello_put(w, len + 2, 2);
    hello_put(w, len, 2);
    for (; *alpn != NULL; alpn++) {
        hello_put(w, strlen(*alpn), 1);
        hello_put_text(w, *alpn);
    }
}

static inline size_t hello_message(unsigned char *out, const char *sni, const char *const *alpn)
{
    struct hello_writer w = {out + 4};
    hello_put(&w, 0x0303, 2);
    memset(w.at, 0x5a, 32);
    w.at += 32;
    hello_put(&w, 0, 1); /* no session id */
    hello_put(&w, 2, 2); /* one cipher suite */
    hello_put(&w, 0x1301, 2);
    hello_put(&w, 0x0100, 2); /* no compression */
    unsigned char *extensions = w.at;
    hello_put(&w, 0, 2);
    hello_put(&w, 0x2b, 2); /* supported_versions: TLS 1.3 */
    hello_put(&w, 3, 2);
    hello_put(&w, 0x020304, 3);
    if (sni != NULL)
        hello_put_name(&w, sni);
    if (alpn != NULL)
        hello_put_alpn(&w, alpn);
    struct hello_writer length = {extensions};
    hello_put(&length, (size_t)(w.at - extensions - 2), 2);
    length.at = out;
    hello_put(&length, 1, 1); /* client_hello */
    hello_put(&length, (size_t)(w.at - out - 4), 3);
    return (size_t)(w.at - out);
}

/* The records of a hello; each carries at most record_size bytes of it. Returns the length. */
static inline size_t hello_make(unsigned char *out, const char *sni, const char *const *alpn, size_t record_size)
{
    unsigned char message[2048];
    size_t len = hello_message(message, sni, alpn);
    struct hello_writer w = {out};
    for (size_t at = 0; at < len;) {
        size_t part = len - at < record_size ? len - at : record_size;
        hello_put(&w, 22, 1);
        hello_put(&w, 0x0301, 2);
        hello_put(&w, part, 2);
        memcpy(w.at, message + at, part);
        w.at += part;
        at += part;
    }
    return (size_t)(w.at - out);
}
