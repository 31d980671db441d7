/*
 * POST /explain: what would become of a request. The body is read here, on the main loop; the rehearsal runs on a
 * worker, whose balancers and views are the ones that the answer is about; the account comes back and is written here.
 * One rehearsal runs at a time (their counts go to one slab that nobody reads), the others wait in line.
 */
#include "proxy/base/mem.h"
#include "proxy/base/version.h"
#include "proxy/server/admin_internal.h"
#include "proxy/server/explain_run.h"
#include "proxy/server/explain_write.h"

#include <inttypes.h>

#define ANSWER_WITHIN_MS 5000
/* Requests in line; more are turned away. */
#define WAITING_MAX 64u

struct desk {
    struct lk_list waiting; /* struct job */
    unsigned count;         /* those, and the one that runs */
    struct job *running;    /* NULL: none */
};

struct job {
    struct lk_work work; /* to the worker, then back */
    struct lk_list node; /* while it waits */
    struct desk *desk;
    struct lk_server *server;
    struct lk_admin_request *request; /* NULL: the client is gone, or got tired */
    struct lk_timer timer;
    struct lk_worker *worker;
    struct lk_arena arena; /* of what was asked and of the account */
    struct lk_explain_request asked;
    struct lk_explain explain;
    bool text;
};

static void start_next(struct desk *desk);

static void job_free(struct job *job)
{
    job->desk->count--;
    lk_arena_reset(&job->arena);
    lk_free(job);
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static bool wants_text(struct lk_admin_request *request)
{
    struct lk_str format;

    return lk_admin_query(request, "format", &format) && lk_str_eq(format, LK_STR("text"));
}

static void fail_text(struct lk_admin_request *request, const struct lk_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        const struct lk_error_item *item = &errors->items[i];

        lk_admin_printf(request, "%s%s%s\n", item->path, item->path[0] != '\0' ? ": " : "", item->text);
    }
}

static json_t *cstr_json(const char *text)
{
    return lk_admin_str_json(lk_str_from(text));
}

static void fail_json(struct lk_admin_request *request, const struct lk_errors *errors)
{
    json_t *list = json_array();

    for (size_t i = 0; i < errors->count; i++)
        json_array_append_new(list, json_pack("{s:o,s:o}", "path", cstr_json(errors->items[i].path), "mistake",
                                              cstr_json(errors->items[i].text)));
    lk_admin_json(request, json_pack("{s:o}", "errors", list));
}

static void fail(struct lk_admin_request *request, unsigned status, const struct lk_errors *errors)
{
    lk_admin_status(request, status, NULL);
    if (wants_text(request))
        fail_text(request, errors);
    else
        fail_json(request, errors);
}

static void fail_one(struct lk_admin_request *request, unsigned status, const char *text)
{
    struct lk_errors errors;

    lk_errors_init(&errors);
    lk_errors_add(&errors, "%s", text);
    fail(request, status, &errors);
    lk_errors_fini(&errors);
}

static void put_text(void *arg, struct lk_str text)
{
    lk_admin_put(arg, text);
}

static struct lk_str started_text(const struct lk_server *server, char out[32])
{
    time_t seconds = (time_t)(server->start_wall_us / 1000000);
    struct tm parts;

    gmtime_r(&seconds, &parts);
    return lk_str(out, strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

static void answer_text(struct job *job)
{
    char started[32];

    lk_admin_printf(job->request, "%s\n    as of worker %u, random number %" PRIu64 ", static configuration of %.*s\n",
                    "what would become of this request; nothing was sent, nothing was counted", job->worker->index,
                    job->asked.random, LK_STR_ARG(started_text(job->server, started)));
    lk_explain_text(&job->explain, put_text, job->request);
}

static void answer_json(struct job *job)
{
    char started[32];
    json_t *config =
        json_pack("{s:s,s:o,s:s,s:s}", "version", "static", "started",
                  lk_admin_str_json(started_text(job->server, started)), "build", LK_VERSION, "revision", LK_REVISION);
    json_t *random = job->asked.random <= INT64_MAX ? json_integer((json_int_t)job->asked.random)
                                                    : json_sprintf("%" PRIu64, job->asked.random);

    lk_admin_json(job->request,
                  json_pack("{s:o,s:o,s:o,s:o,s:i,s:b}", "result", lk_explain_json(&job->explain.result), "decisions",
                            lk_explain_json(&job->explain.decisions), "config", config, "random", random, "worker",
                            (int)job->worker->index, "cut", (int)job->explain.cut));
}

/* --- on its way --------------------------------------------------------------------------------------------------- */

static void let_go(struct job *job)
{
    lk_timer_clear(&job->timer);
    job->request = NULL;
}

/* Main loop: the account is there. */
static void on_back(struct lk_work *work)
{
    struct job *job = LK_CONTAINER_OF(work, struct job, work);
    struct lk_admin_request *request = job->request;
    struct desk *desk = job->desk;

    if (request != NULL) {
        if (job->text)
            answer_text(job);
        else
            answer_json(job);
        request->state = NULL;
        let_go(job);
        lk_admin_finish(request);
    }
    desk->running = NULL;
    job_free(job);
    start_next(desk);
}

static void on_worker(struct lk_work *work)
{
    struct job *job = LK_CONTAINER_OF(work, struct job, work);

    lk_explain_run(job->worker, &job->asked, &job->explain);
    work->fn = on_back;
    lk_loop_post(job->server->main_loop, work);
}

static void start_next(struct desk *desk)
{
    struct job *job;

    if (desk->running != NULL || lk_list_empty(&desk->waiting))
        return;
    job = LK_LIST_ENTRY(desk->waiting.next, struct job, node);
    lk_list_remove(&job->node);
    desk->running = job;
    job->work.fn = on_worker;
    lk_loop_post(job->worker->loop, &job->work);
}

static void on_late(struct lk_timer *timer)
{
    struct job *job = LK_CONTAINER_OF(timer, struct job, timer);
    struct lk_admin_request *request = job->request;

    request->state = NULL;
    let_go(job);
    if (job->desk->running != job) {
        lk_list_remove(&job->node);
        job_free(job);
    }
    fail_one(request, 503, "the worker did not answer in time");
    lk_admin_finish(request);
}

/* The request has ended, one way or the other. */
static void on_request_gone(void *arg)
{
    struct lk_admin_request *request = arg;
    struct job *job = request->state;

    if (job == NULL)
        return;
    let_go(job);
    if (job->desk->running == job)
        return; /* it comes back */
    lk_list_remove(&job->node);
    job_free(job);
}

/* --- the page ----------------------------------------------------------------------------------------------------- */

static bool check_place(const struct lk_server *server, const struct lk_explain_request *asked,
                        struct lk_errors *errors)
{
    if (asked->worker < server->worker_count)
        return true;
    return lk_errors_add_at(errors, "worker", "expected a number below %u, the number of workers",
                            server->worker_count);
}

/* The body, or what the form of the start page has in its place. */
static struct lk_str question_of(struct lk_admin_request *request)
{
    struct lk_str text;

    return lk_admin_query(request, "body", &text) ? text : lk_admin_body(request);
}

static struct job *job_new(struct lk_admin_request *request, struct desk *desk, struct lk_errors *errors)
{
    struct job *job = lk_calloc(1, sizeof(*job));

    job->desk = desk;
    desk->count++;
    job->server = lk_admin_request_server(request);
    job->text = wants_text(request);
    lk_arena_init(&job->arena);
    lk_list_init(&job->node);
    lk_timer_init(&job->timer, on_late);
    lk_explain_init(&job->explain, &job->arena);
    if (lk_explain_request_parse(&job->asked, &job->arena, question_of(request), errors) &&
        check_place(job->server, &job->asked, errors)) {
        job->worker = &job->server->workers[job->asked.worker];
        return job;
    }
    job_free(job);
    return NULL;
}

static bool check_format(struct lk_admin_request *request)
{
    struct lk_str format;

    if (!lk_admin_query(request, "format", &format) || lk_str_eq(format, LK_STR("text")) ||
        lk_str_eq(format, LK_STR("json")))
        return true;
    fail_one(request, 400, "format: expected json or text");
    return false;
}

static void page_explain(struct lk_admin_request *request, void *arg)
{
    struct lk_server *server = lk_admin_request_server(request);
    struct desk *desk = arg;
    struct lk_errors errors;
    struct job *job;

    if (!check_format(request))
        return;
    if (server->state == LK_SERVER_PRE_INITIALIZING || server->state == LK_SERVER_INITIALIZING || server->stopping) {
        fail_one(request, 503, "the workers do not run");
        return;
    }
    if (desk->count >= WAITING_MAX) {
        fail_one(request, 503, "too many explanations are under way");
        return;
    }
    lk_errors_init(&errors);
    job = job_new(request, desk, &errors);
    if (job == NULL) {
        fail(request, 400, &errors);
    } else {
        job->request = request;
        request->state = job;
        lk_arena_on_free(&request->arena, on_request_gone, request);
        lk_admin_defer(request);
        lk_timer_set(server->main_loop, &job->timer, ANSWER_WITHIN_MS);
        lk_list_push_back(&desk->waiting, &job->node);
        start_next(desk);
    }
    lk_errors_fini(&errors);
}

static const struct lk_admin_param_help params[] = {
    {"format", "One of (json, text)"},
    {NULL, NULL},
};

void lk_admin_add_explain_pages(struct lk_admin *admin)
{
    struct desk *desk = lk_arena_zalloc(&admin->arena, sizeof(*desk));
    struct lk_admin_page page = {
        .path = "/explain",
        .mutates = true, /* nothing, but it has a body: POST */
        .help = "what would become of the request in the body, decision by decision; nothing is sent or counted",
        .params = params,
        .fn = page_explain,
        .arg = desk,
    };

    lk_list_init(&desk->waiting);
    lk_admin_add_pages(admin, &page, 1);
}
