/*
 * /memory: the heap, and who holds what of it. A chunk pool may be looked at only on its own loop, so every loop is
 * asked by mailbox; what has not answered in time is left out and named.
 */
#include "proxy/base/mem.h"
#include "proxy/io/timer.h"
#include "proxy/server/admin_internal.h"

#include <inttypes.h>
#include <malloc.h>

#define ANSWER_WITHIN_MS 1000
#define LOOK_EVERY_MS 1

struct gather;

struct question {
    struct lk_work work;
    struct gather *gather;
    struct lk_loop *loop;
    atomic_bool answered;
    size_t in_use, cached; /* the loop's until answered */
};

/* Shared by the request and every question that is still on its way: the last one frees it. */
struct gather {
    struct lk_ref ref;
    struct lk_admin_request *request; /* main loop */
    struct lk_timer timer;
    uint64_t deadline_ms;
    unsigned count;
    struct question questions[];
};

static void gather_unref(struct gather *gather)
{
    if (lk_ref_put(&gather->ref))
        lk_free(gather);
}

static void on_asked(struct lk_work *work)
{
    struct question *question = LK_CONTAINER_OF(work, struct question, work);

    lk_chunk_pool_usage(lk_loop_pool(question->loop), &question->in_use, &question->cached);
    atomic_store_explicit(&question->answered, true, memory_order_release);
    gather_unref(question->gather);
}

/* --- the answer ------------------------------------------------------------------------------------------------------
 */

static json_t *bytes_json(uint64_t bytes)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, bytes);
    return json_string(text);
}

/* Kilobytes of a line "Name:   123 kB" of /proc/self/status, as bytes. */
static uint64_t status_bytes(const char *name)
{
    FILE *file = fopen("/proc/self/status", "re");
    size_t len = strlen(name);
    unsigned long long kb = 0;
    char line[256];

    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            kb = strtoull(line + len + 1, NULL, 10);
            break;
        }
    }
    fclose(file);
    return kb * 1024;
}

static json_t *pools_json(const struct gather *gather)
{
    json_t *pools = json_array();

    for (unsigned i = 0; i < gather->count; i++) {
        const struct question *question = &gather->questions[i];
        json_t *pool = json_pack("{s:s}", "loop", lk_loop_name(question->loop));

        if (atomic_load_explicit(&question->answered, memory_order_acquire)) {
            json_object_set_new(pool, "in_use", bytes_json(question->in_use));
            json_object_set_new(pool, "cached", bytes_json(question->cached));
        } else {
            json_object_set_new(pool, "error", json_string("the loop did not answer in time"));
        }
        json_array_append_new(pools, pool);
    }
    return pools;
}

static void answer(struct lk_admin_request *request, const struct gather *gather)
{
    struct lk_server *server = lk_admin_request_server(request);
    struct mallinfo2 heap = mallinfo2();
    /* a sanitizer's allocator tells nothing: then the anonymous pages are the closest figure */
    size_t other = heap.arena + heap.hblkhd > 0 ? 0 : status_bytes("RssAnon");
    struct lk_file_sink_stats files = {0};
    json_t *json = json_object();

    lk_file_sinks_stats(server->sinks, &files);
    json_object_set_new(json, "allocated", bytes_json(heap.uordblks + heap.hblkhd + other));
    json_object_set_new(json, "heap_size", bytes_json(heap.arena + heap.hblkhd + other));
    json_object_set_new(json, "pageheap_unmapped", bytes_json(0));
    json_object_set_new(json, "pageheap_free", bytes_json(heap.fordblks));
    json_object_set_new(json, "total_thread_cache", bytes_json(heap.fsmblks));
    json_object_set_new(json, "total_physical_bytes", bytes_json(status_bytes("VmRSS")));
    json_object_set_new(json, "owners",
                        json_pack("{s:o,s:o,s:o,s:o}", "chunk_pools", pools_json(gather), "stats",
                                  bytes_json(lk_stats_memory(server->stats)), "configuration",
                                  bytes_json(server->config_arena->bytes + server->bootstrap->arena->bytes),
                                  "access_log_buffers", bytes_json(files.buffered_bytes)));
    lk_admin_json(request, json);
}

static bool all_answered(const struct gather *gather)
{
    for (unsigned i = 0; i < gather->count; i++) {
        if (!atomic_load_explicit(&gather->questions[i].answered, memory_order_acquire))
            return false;
    }
    return true;
}

static void on_look(struct lk_timer *timer)
{
    struct gather *gather = LK_CONTAINER_OF(timer, struct gather, timer);
    struct lk_loop *loop = lk_admin_request_server(gather->request)->main_loop;

    if (!all_answered(gather) && lk_loop_now_ms(loop) < gather->deadline_ms) {
        lk_timer_set(loop, timer, LOOK_EVERY_MS);
        return;
    }
    answer(gather->request, gather);
    lk_admin_finish(gather->request);
}

/* The request has ended, one way or the other. */
static void on_request_gone(void *arg)
{
    struct gather *gather = arg;

    lk_timer_clear(&gather->timer);
    gather_unref(gather);
}

static void page_memory(struct lk_admin_request *request, void *arg)
{
    struct lk_server *server = lk_admin_request_server(request);
    unsigned count = server->worker_count + 1;
    struct gather *gather = lk_calloc(1, sizeof(*gather) + count * sizeof(gather->questions[0]));

    (void)arg;
    lk_ref_init(&gather->ref);
    gather->request = request;
    gather->count = count;
    gather->deadline_ms = lk_loop_now_ms(server->main_loop) + ANSWER_WITHIN_MS;
    lk_timer_init(&gather->timer, on_look);
    lk_arena_on_free(&request->arena, on_request_gone, gather);
    for (unsigned i = 0; i < count; i++) {
        struct question *question = &gather->questions[i];

        question->gather = gather;
        question->loop = server->loops[i];
        question->work.fn = on_asked;
        lk_ref_get(&gather->ref);
        lk_loop_post(question->loop, &question->work);
    }
    lk_admin_defer(request);
    lk_timer_set(server->main_loop, &gather->timer, LOOK_EVERY_MS);
}

static const struct lk_admin_page pages[] = {
    {.path = "/memory", .help = "print current allocation/heap usage, and who holds it", .fn = page_memory},
};

void lk_admin_add_memory_pages(struct lk_admin *admin)
{
    lk_admin_add_pages(admin, pages, LK_ARRAY_LEN(pages));
}
