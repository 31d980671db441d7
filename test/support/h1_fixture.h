/*
 * One end of an HTTP/1 connection for tests: a codec whose events are written down as text, and whose unconsumed input
 * is kept and offered again, as a connection would. Each offer is a heap block of exactly its size, so that the
 * sanitizers see a read beyond it.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/mem.h"
#include "proxy/http/h1_codec.h"
#include "test/support/lk_test.h"

#define END_MAX_LOG 65536

struct end;
typedef void (*end_hook)(struct end *end);

struct end {
    struct lk_codec *codec;
    struct lk_codec_stream *stream; /* live, or NULL */
    struct lk_chunk_pool *pool;
    struct lk_buf out;
    struct lk_arena arena;
    struct lk_arena held; /* what outlives a stream: copies made by hooks */
    struct lk_codec_error error;
    char *input;
    size_t input_len;
    char log[END_MAX_LOG];
    size_t log_len;
    bool in_data;   /* the last line is data and may grow */
    bool refuse;    /* on_stream says no */
    bool only_once; /* hooks run once */
    unsigned output_calls;
    unsigned pending_calls;
    unsigned done_calls;
    int read_pauses;
    end_hook on_headers;
    end_hook on_data;
    end_hook on_end;
};

extern const struct lk_codec_callbacks end_callbacks;
extern const struct lk_h1_options end_options;

void end_adopt(struct end *e, struct lk_codec_stream *stream);
struct end *end_new(bool client, const struct lk_h1_options *options);
struct end *server_new(void);
struct end *client_new(void);
void end_free(struct end *e);
/* Offers what is kept; notes an error once. Returns whether something was consumed. */
bool end_offer(struct end *e);
/* New bytes of the peer. */
void end_feed(struct end *e, const char *data, size_t len);
void end_feed_str(struct end *e, const char *data);
void end_feed_pieces(struct end *e, const char *data, size_t len, size_t piece);
void end_eof(struct end *e);
/* Everything that was written, taken out. Lives in the end's own memory. */
struct lk_str end_output(struct end *e);
/* A block from "name", "value", ..., NULL. Lives in the held arena. */
struct lk_headers *end_headers(struct end *e, const char *const *pairs);
void end_send(struct end *e, const struct lk_headers *headers, bool end_stream);
void end_send_data(struct end *e, const char *data, bool end_stream);
/* A hook. */
void answer_ok(struct end *e);
/* A client with one request sent, its output forgotten. */
struct end *client_asked(const char *method);

#define HEADERS(e, ...) end_headers(e, (const char *const[]){__VA_ARGS__, NULL})
