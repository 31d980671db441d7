/*
 * The ClientHello reader over arbitrary bytes. Besides what the sanitizers see: a verdict reached on a prefix stands
 * when more bytes come, results lie inside the input or the scratch buffer, and reading twice gives the same.
 *
 * lk_fuzz_library: lk_filters
 */
#include "filters/common/tls_hello.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(int condition)
{
    if (!condition)
        abort();
}

static int lies_in(struct lk_str part, const char *block, size_t size)
{
    return part.len == 0 || (part.ptr >= block && part.len <= size && (size_t)(part.ptr - block) <= size - part.len);
}

/* Blocks of exactly the size, so that the sanitizer sees every step over the edge. */
static enum lk_hello_result parse(const uint8_t *data, size_t size, struct lk_hello *hello, char **scratch)
{
    char *copy = malloc(size > 0 ? size : 1);
    *scratch = malloc(size > 0 ? size : 1);
    demand(copy != NULL && *scratch != NULL);
    memcpy(copy, data, size);
    enum lk_hello_result result = lk_hello_parse(lk_str(copy, size), *scratch, hello);
    demand(result == LK_HELLO_MORE || result == LK_HELLO_NOT_TLS || result == LK_HELLO_OK);
    if (result == LK_HELLO_OK) {
        demand(hello->size > 0 && hello->alpn_count <= LK_HELLO_ALPN_MAX);
        demand(lies_in(hello->sni, copy, size) || lies_in(hello->sni, *scratch, size));
        for (unsigned i = 0; i < hello->alpn_count; i++)
            demand(lies_in(hello->alpn[i], copy, size) || lies_in(hello->alpn[i], *scratch, size));
    }
    free(copy);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lk_hello whole;
    char *scratch;
    if (size > 70000)
        return 0;
    enum lk_hello_result result = parse(data, size, &whole, &scratch);
    size_t step = size / 16 + 1;
    for (size_t cut = 0; cut < size; cut += step) {
        struct lk_hello part;
        char *part_scratch;
        enum lk_hello_result early = parse(data, cut, &part, &part_scratch);
        if (early != LK_HELLO_MORE) {
            demand(early == result);
            if (early == LK_HELLO_OK)
                demand(part.sni.len == whole.sni.len && part.alpn_count == whole.alpn_count && part.size == whole.size);
        }
        free(part_scratch);
    }
    free(scratch);
    return 0;
}
