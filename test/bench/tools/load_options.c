// Command line of the benchmark's client, and the bytes of its requests.
#include "test/bench/tools/args.h"
#include "test/bench/tools/load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage_text[] =
    "usage: lk-bench-load --port N [--mode run|idle|race] [--connections N] [--method M]\n"
    "    [--path P] [--host H] [--header 'name: value']... [--body BYTES] [--duration S]\n"
    "    [--warmup S] [--rate R] [--jitter] [--requests N] [--in-flight N] [--period MS]\n"
    "    [--spread MS] [--cpu-of PID]...\n"
    "Talks to 127.0.0.1. %N in the path or a header becomes the number of the request. Prints\n"
    "one JSON object. Mode idle holds its connections until its standard input ends.\n";

static _Noreturn void usage(void)
{
    fputs(usage_text, stderr);
    exit(2);
}

static enum lk_load_mode parse_mode(const char *text)
{
    if (strcmp(text, "run") == 0)
        return LK_LOAD_RUN;
    if (strcmp(text, "idle") == 0)
        return LK_LOAD_IDLE;
    if (strcmp(text, "race") == 0)
        return LK_LOAD_RACE;
    usage();
}

static void add_header(struct lk_load_options *options, const char *line)
{
    if (options->header_count == LK_LOAD_HEADERS)
        usage();
    options->headers[options->header_count++] = line;
}

static void add_pid(struct lk_bench_pids *pids, const char *text)
{
    if (pids->count == LK_BENCH_MAX_PIDS)
        usage();
    pids->pid[pids->count++] = (pid_t)lk_bench_arg_number("cpu-of", text, INT32_MAX);
}

static void set_defaults(struct lk_load_options *options)
{
    options->connections = 32;
    options->in_flight = 16;
    options->method = "GET";
    options->path = "/";
    options->host = "bench.test";
    options->duration = 1;
    options->period_ms = 150;
    options->spread_ms = 40;
}

static void set_text(struct lk_load_options *options, int option)
{
    switch (option) {
    case 'M':
        options->mode = parse_mode(optarg);
        break;
    case 'm':
        options->method = optarg;
        break;
    case 'a':
        options->path = optarg;
        break;
    case 'h':
        options->host = optarg;
        break;
    case 'H':
        add_header(options, optarg);
        break;
    case 'J':
        options->jitter = true;
        break;
    case 'u':
        add_pid(&options->pids, optarg);
        break;
    default:
        usage();
    }
}

static bool set_number(struct lk_load_options *options, int option)
{
    switch (option) {
    case 'p':
        options->port = (uint16_t)lk_bench_arg_number("port", optarg, UINT16_MAX);
        break;
    case 'c':
        options->connections = (unsigned)lk_bench_arg_number("connections", optarg, 1000000);
        break;
    case 'f':
        options->in_flight = (unsigned)lk_bench_arg_number("in-flight", optarg, 1000000);
        break;
    case 'b':
        options->body = lk_bench_arg_number("body", optarg, 1u << 30);
        break;
    case 'n':
        options->requests = lk_bench_arg_number("requests", optarg, 999999);
        break;
    case 'd':
        options->duration = lk_bench_arg_decimal("duration", optarg);
        break;
    case 'w':
        options->warmup = lk_bench_arg_decimal("warmup", optarg);
        break;
    case 'r':
        options->rate = lk_bench_arg_decimal("rate", optarg);
        break;
    case 'P':
        options->period_ms = lk_bench_arg_decimal("period", optarg);
        break;
    case 'S':
        options->spread_ms = lk_bench_arg_decimal("spread", optarg);
        break;
    default:
        return false;
    }
    return true;
}

void lk_load_options_parse(int argc, char **argv, struct lk_load_options *options)
{
    static const struct option known[] = {
        {"mode", required_argument, NULL, 'M'},        {"port", required_argument, NULL, 'p'},
        {"connections", required_argument, NULL, 'c'}, {"method", required_argument, NULL, 'm'},
        {"path", required_argument, NULL, 'a'},        {"host", required_argument, NULL, 'h'},
        {"header", required_argument, NULL, 'H'},      {"body", required_argument, NULL, 'b'},
        {"duration", required_argument, NULL, 'd'},    {"warmup", required_argument, NULL, 'w'},
        {"rate", required_argument, NULL, 'r'},        {"jitter", no_argument, NULL, 'J'},
        {"requests", required_argument, NULL, 'n'},    {"in-flight", required_argument, NULL, 'f'},
        {"period", required_argument, NULL, 'P'},      {"spread", required_argument, NULL, 'S'},
        {"cpu-of", required_argument, NULL, 'u'},      {NULL, 0, NULL, 0},
    };
    set_defaults(options);
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (!set_number(options, o))
            set_text(options, o);
    }
    if (optind != argc || !options->port || !options->connections || !options->in_flight)
        usage();
    if (options->mode == LK_LOAD_RACE && !options->requests)
        usage();
}

static void find_marks(struct lk_load_request *request, size_t head_size)
{
    char *at = request->text;
    while ((at = memmem(at, head_size - (size_t)(at - request->text), "%N", 2))) {
        if (request->mark_count == LK_LOAD_MARKS)
            usage();
        request->marks[request->mark_count++] = (size_t)(at - request->text);
        at += 2;
    }
}

// Makes room for the digits: each mark grows from two to six bytes.
static void widen_marks(struct lk_load_request *request)
{
    const size_t grow = LK_LOAD_DIGITS - 2;
    for (unsigned i = 0; i < request->mark_count; i++) {
        size_t at = request->marks[i] + i * grow;
        request->marks[i] = at;
        memmove(request->text + at + LK_LOAD_DIGITS, request->text + at + 2, request->size - at - 2);
        memset(request->text + at, '0', LK_LOAD_DIGITS);
        request->size += grow;
    }
}

void lk_load_request_init(struct lk_load_request *request, const struct lk_load_options *options, const char *method,
                          const char *path, uint64_t body)
{
    char *head = NULL;
    size_t head_size = 0;
    FILE *out = open_memstream(&head, &head_size);
    if (!out)
        lk_bench_die("open_memstream");
    fprintf(out, "%s %s HTTP/1.1\r\nhost: %s\r\nuser-agent: lk-bench\r\n", method, path, options->host);
    for (unsigned i = 0; i < options->header_count; i++)
        fprintf(out, "%s\r\n", options->headers[i]);
    if (body)
        fprintf(out, "content-length: %llu\r\n", (unsigned long long)body);
    fprintf(out, "\r\n");
    fclose(out);
    *request = (struct lk_load_request){.size = head_size + (size_t)body};
    request->text = lk_bench_alloc(1, request->size + (size_t)LK_LOAD_MARKS * LK_LOAD_DIGITS);
    memcpy(request->text, head, head_size);
    memset(request->text + head_size, 'x', (size_t)body);
    free(head);
    find_marks(request, head_size);
    widen_marks(request);
}
