/*
 * The requests of llhttp's own test files through our server codec: whatever llhttp refuses in its strict mode, we
 * refuse, and what we refuse beyond that is listed here. Reads http/llhttp-request.jsonl of the folder of real inputs
 * ($LANEKEEPER_SHARED/data, or beside the repository) and does nothing where that is absent.
 */
#include "test/support/h1_fixture.h"

#define LINE_MAX_BYTES 65536

struct known {
    const char *title;
    const char *why;
    bool seen;
};

/* Accepted by llhttp. */
static struct known refused_by_us[] = {
    {"Parsing multiple tokens / Multiple tokens with folding and LWS",
     "payload behind an upgrade that nobody let through", false},
    {"`upgrade` / Emitting part of body and pausing", "payload behind an upgrade that nobody let through", false},
    {"`upgrade` / Upgrade GET request", "payload behind an upgrade that nobody let through", false},
    {"`upgrade` / Upgrade POST request", "payload behind an upgrade that nobody let through", false},
    {"It should be unsafe to finish inside of the header", "a field name that ends in CRLF", false},
    {"CONNECT with body", "a body of CONNECT has no meaning; Envoy refuses it too", false},
    {"M-SEARCH request", "Envoy does not know the method either", false},
    {"SOURCE request with ICE", "not HTTP", false},
    {"OPTIONS request with RTSP", "not HTTP", false},
    {"ANNOUNCE request with RTSP", "not HTTP", false},
    {"Should parse multiple events", "the last length counts a byte that the file lost", false},
    {"Underscore in hostname", "a host of CONNECT is letters, digits, '-' and '.'", false},
    {"No HTTP version", "HTTP/0.9 is not spoken", false},
    {"POST with `chunked` as last transfer-encoding", "other codings than chunked are a 501", false},
    {"POST with `chunked` as last transfer-encoding (multiple headers)", "other codings than chunked are a 501", false},
};

/* Refused by llhttp. */
static struct known accepted_by_us[] = {
    {"`keep-alive` / No restart when keep-alive is off (1.0)", "bytes behind the last message are dropped unread",
     false},
    {"`close` / CRLF between requests, explicit `close`", "bytes behind the last message are dropped unread", false},
    {"`close` / CRLF between requests, explicit `close` followed by tab",
     "bytes behind the last message are dropped unread", false},
};

static bool is_listed(struct known *rows, size_t count, struct lk_str title)
{
    for (size_t i = 0; i < count; i++) {
        if (lk_str_eq(lk_str_from(rows[i].title), title)) {
            rows[i].seen = true;
            return true;
        }
    }
    return false;
}

static void check_all_seen(const struct known *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        LK_CHECK_MSG(rows[i].seen, "listed without need: %s", rows[i].title);
}

/* The text of a JSON string member; escapes stay as they are. */
static struct lk_str member(const char *line, const char *name)
{
    char key[32];
    snprintf(key, sizeof(key), "\"%s\": \"", name);
    const char *from = strstr(line, key);
    LK_CHECK_NOT_NULL(from);
    from += strlen(key);
    const char *to = from;
    while (*to != '"')
        to += *to == '\\' ? 2 : 1;
    return lk_str(from, (size_t)(to - from));
}

static size_t base64_decode(struct lk_str text, char *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned have = 0;
    size_t len = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++) {
        bits = bits << 6 | (uint32_t)(strchr(alphabet, text.ptr[i]) - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[len++] = (char)(bits >> have);
        }
    }
    return len;
}

/* Whether a strict parser refuses the case; a pause at an upgrade is no refusal. */
static bool expects_error(const char *line)
{
    for (const char *at = strstr(line, "error code="); at != NULL; at = strstr(at + 1, "error code="))
        if (strncmp(at, "error code=22 ", 14) != 0)
            return true;
    return false;
}

/* The files' own empty last lines were lost: every input gets its end back. */
static bool codec_refuses(const char *input, size_t len, size_t piece)
{
    struct end *e = server_new();
    e->on_end = answer_ok;
    end_feed_pieces(e, input, len, piece);
    end_feed_pieces(e, "\r\n\r\n", 4, piece);
    bool refused = e->codec->failed;
    end_free(e);
    return refused;
}

static void check_line(const char *line)
{
    static char input[LINE_MAX_BYTES];
    struct lk_str title = member(line, "title");
    size_t len = base64_decode(member(line, "input_b64"), input);
    bool refused = codec_refuses(input, len, SIZE_MAX / 2);
    LK_CHECK_MSG(codec_refuses(input, len, 1) == refused, "%.*s: depends on how it arrives", LK_STR_ARG(title));
    if (strstr(line, "\"type\": \"request-lenient") != NULL)
        return;
    if (expects_error(line) && !refused)
        LK_CHECK_MSG(is_listed(accepted_by_us, LK_ARRAY_LEN(accepted_by_us), title), "%.*s: accepted",
                     LK_STR_ARG(title));
    if (!expects_error(line) && refused)
        LK_CHECK_MSG(is_listed(refused_by_us, LK_ARRAY_LEN(refused_by_us), title), "%.*s: refused", LK_STR_ARG(title));
}

LK_TEST(h1_llhttp, refuses_what_a_strict_parser_refuses)
{
    static char line[LINE_MAX_BYTES];
    const char *base = getenv("LANEKEEPER_SHARED");
    char path[4096];
    snprintf(path, sizeof(path), "%s/data/http/llhttp-request.jsonl", base != NULL ? base : "../shared");
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "skipped: no %s\n", path);
        return;
    }
    unsigned cases = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        check_line(line);
        cases++;
    }
    fclose(file);
    LK_CHECK(cases > 100);
    check_all_seen(refused_by_us, LK_ARRAY_LEN(refused_by_us));
    check_all_seen(accepted_by_us, LK_ARRAY_LEN(accepted_by_us));
}
