// The least HTTP/1.1 that a benchmark needs.
#include "test/bench/tools/http_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// The value of a header line when its name is `name` (with the colon), else NULL.
static const char *value_of(const char *line, const char *name, size_t name_size)
{
    if (strncasecmp(line, name, name_size) != 0)
        return NULL;
    line += name_size;
    while (*line == ' ' || *line == '\t')
        line++;
    return line;
}

static void read_line(const char *line, struct lk_bench_head *head)
{
    const char *value = NULL;
    if ((*line | 0x20) == 'c') {
        if ((value = value_of(line, "content-length:", 15)))
            head->body = strtoull(value, NULL, 10);
        else if ((value = value_of(line, "connection:", 11)))
            head->close = strncasecmp(value, "close", 5) == 0;
    } else if ((*line | 0x20) == 't') {
        if ((value = value_of(line, "transfer-encoding:", 18)))
            head->chunked = true;
    }
}

bool lk_bench_head_read(const char *data, size_t size, struct lk_bench_head *head)
{
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end)
        return false;
    *head = (struct lk_bench_head){.size = (size_t)(end - data) + 4};
    if (head->size > 12 && memcmp(data, "HTTP/1.", 7) == 0)
        head->status = (unsigned)strtoul(data + 9, NULL, 10);
    for (const char *line = data; line < end;) {
        line = memchr(line, '\n', (size_t)(end + 2 - line));
        if (!line || line >= end)
            break;
        read_line(++line, head);
    }
    return true;
}
