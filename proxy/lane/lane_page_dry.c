/*
 * /lanes?dry_run: a request described by parameters goes through the lane filter of a listener (lane_dry_run.h), and
 * what became of it is told. Whatever the parameters hold is checked as a codec would, and escaped in the reply.
 */
#include "proxy/http/validate.h"
#include "proxy/lane/lane_page_internal.h"

#define HEADERS_MAX 100u

static struct lk_str param_or(const struct lk_admin_call *call, const char *name, struct lk_str other)
{
    struct lk_str value;

    return lk_admin_call_param(call, name, &value) && value.len > 0 ? value : other;
}

/* False, and answered. */
static bool refuse(struct lk_admin_call *call, const char *fmt, ...) LK_PRINTF(2, 3);
static bool refuse(struct lk_admin_call *call, const char *fmt, ...)
{
    struct lk_str text;
    va_list args;

    va_start(args, fmt);
    text = lk_arena_vprintf(call->arena, fmt, args);
    va_end(args);
    lk_admin_call_fail(call, 400, "%.*s\n", LK_STR_ARG(text));
    return false;
}

/* --- which filter ------------------------------------------------------------------------------------------------- */

static bool list_listeners(struct lk_lane_dry_ask *ask, const char *problem)
{
    struct lk_str names = {"", 0};

    LK_LIST_FOREACH(node, &ask->runtime->filters)
    {
        const struct lk_lane_settings *settings = LK_LIST_ENTRY(node, struct lk_lane_settings, node);

        if (names.len < 2000)
            names = lk_arena_printf(ask->call->arena, "%.*s%s%.*s", LK_STR_ARG(names), names.len > 0 ? ", " : "",
                                    LK_STR_ARG(settings->listener_name));
    }
    return refuse(ask->call, "%s; listeners with a lane filter: %.*s", problem, LK_STR_ARG(names));
}

/* How many filters there are on the listener (without a name, on all), and the one with the number. */
static size_t search(struct lk_lane_dry_ask *ask, struct lk_str listener, uint64_t number)
{
    size_t count = 0;

    LK_LIST_FOREACH(node, &ask->runtime->filters)
    {
        const struct lk_lane_settings *settings = LK_LIST_ENTRY(node, struct lk_lane_settings, node);

        if (listener.ptr != NULL && !lk_str_eq(settings->listener_name, listener))
            continue;
        if (count++ == number)
            ask->settings = settings;
    }
    return count;
}

static bool find_filter(struct lk_lane_dry_ask *ask)
{
    struct lk_str listener = param_or(ask->call, "listener", lk_str(NULL, 0));
    struct lk_str which = param_or(ask->call, "filter", lk_str(NULL, 0));
    uint64_t number = 0;
    size_t count;

    if (which.ptr != NULL && !lk_str_to_u64(which, &number))
        return refuse(ask->call, "filter: expected a number from 0");
    count = search(ask, listener, number);
    if (count == 0)
        return list_listeners(ask, "listener: no such one has a lane filter");
    if (count > 1 && which.ptr == NULL)
        return list_listeners(ask, listener.ptr == NULL
                                       ? "listener: there is more than one, expected a name"
                                       : "filter: this listener has several lane filters, expected a number from 0");
    if (ask->settings == NULL)
        return refuse(ask->call, "filter: there are %zu, expected a number below that", count);
    return true;
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static bool add_header(struct lk_lane_dry_ask *ask, struct lk_str line)
{
    struct lk_arena *arena = ask->call->arena;
    size_t colon = lk_str_find_byte(line, ':');
    struct lk_str name = lk_str_trim(lk_str(line.ptr, colon));
    struct lk_str value;

    if (colon == 0 && line.len > 0)
        return refuse(ask->call, "header: a name may not begin with ':'; use method, host and path");
    if (colon >= line.len)
        return refuse(ask->call, "header: expected NAME:VALUE");
    value = lk_str_trim(lk_str_drop(line, colon + 1));
    if (!lk_header_name_valid(name))
        return refuse(ask->call, "header: expected a name of letters, digits and !#$%%&'*+-.^_`|~");
    if (!lk_header_value_valid(value))
        return refuse(ask->call, "header %.*s: control characters are not allowed in its value", LK_STR_ARG(name));
    if (ask->headers.count >= HEADERS_MAX)
        return refuse(ask->call, "header: more than %u", HEADERS_MAX);
    lk_headers_add_raw(&ask->headers, lk_header_id_of(name), lk_arena_str(arena, name), lk_arena_str(arena, value));
    return true;
}

/* One header on each line, as a text area sends them. */
static bool add_lines(struct lk_lane_dry_ask *ask, struct lk_str lines)
{
    while (lines.ptr != NULL) {
        struct lk_str line = lk_str_split(&lines, '\n');

        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (lk_str_trim(line).len > 0 && !add_header(ask, line))
            return false;
    }
    return true;
}

static bool read_start(struct lk_lane_dry_ask *ask)
{
    struct lk_str method = param_or(ask->call, "method", LK_STR("GET"));
    struct lk_str host = param_or(ask->call, "host", LK_STR("localhost"));
    struct lk_str path = param_or(ask->call, "path", LK_STR("/"));

    if (!lk_method_known(method))
        return refuse(ask->call, "method: expected one of HTTP's, in capital letters");
    if (!lk_authority_valid(host))
        return refuse(ask->call, "host: there are characters in it that no host has");
    if (path.ptr[0] != '/' || lk_str_span_class(path, LK_CHAR_TARGET) != path.len)
        return refuse(ask->call, "path: expected '/' and then visible ASCII");
    lk_headers_init(&ask->headers, ask->call->arena);
    lk_headers_add(&ask->headers, LK_HEADER_METHOD, method);
    lk_headers_add(&ask->headers, LK_HEADER_SCHEME, LK_STR("http"));
    lk_headers_add(&ask->headers, LK_HEADER_AUTHORITY, host);
    lk_headers_add(&ask->headers, LK_HEADER_PATH, path);
    return true;
}

static bool read_headers(struct lk_lane_dry_ask *ask)
{
    const struct lk_admin_call *call = ask->call;

    for (size_t i = 0; i < call->param_count; i++) {
        struct lk_str name = call->params[i].name;

        if (lk_str_eq(name, LK_STR("header")) && !add_header(ask, call->params[i].value))
            return false;
        if (lk_str_eq(name, LK_STR("headers")) && !add_lines(ask, call->params[i].value))
            return false;
    }
    return true;
}

static bool read_peer(struct lk_lane_dry_ask *ask)
{
    struct lk_str peer = param_or(ask->call, "peer", LK_STR("127.0.0.1"));
    struct lk_str identity = param_or(ask->call, "identity", LK_STR(""));

    if (!lk_addr_parse_ip(peer, 0, &ask->input.peer))
        return refuse(ask->call, "peer: expected an IP address, such as 10.1.2.3, without a port");
    if (!lk_header_value_valid(identity))
        return refuse(ask->call, "identity: control characters are not allowed");
    ask->input.identity = identity;
    return true;
}

static bool read_cluster(struct lk_lane_dry_ask *ask)
{
    struct lk_loop *loop = ask->runtime->loop;

    ask->cluster = param_or(ask->call, "cluster", LK_STR(""));
    if (ask->cluster.len == 0 || !ask->settings->outbound)
        return true;
    if (ask->settings->clusters != NULL && loop != NULL)
        ask->input.cluster = lk_cluster_view_get(ask->settings->clusters, loop, ask->cluster);
    return ask->input.cluster != NULL || refuse(ask->call, "cluster: there is none of this name");
}

/* --- the form ----------------------------------------------------------------------------------------------------- */

static void put_field(struct lk_admin_call *call, const char *name, const char *label, const char *other)
{
    lk_admin_call_printf(call, "<label>%s <input name='%s' value='", label, name);
    lk_admin_call_escaped(call, param_or(call, name, lk_str_from(other)));
    lk_admin_call_put(call, LK_STR("'></label>\n"));
}

/* Headers are not filled in again: a secret may be among them. */
void lk_lane_dry_form(struct lk_admin_call *call)
{
    lk_admin_call_put(call, LK_STR("<h2>What would become of a mark</h2>\n"
                                   "<form method='post' action='lanes'><input type='hidden' name='dry_run' value='1'>"
                                   "<input type='hidden' name='format' value='html'>\n"));
    put_field(call, "listener", "listener", "");
    put_field(call, "peer", "caller's address", "127.0.0.1");
    put_field(call, "identity", "its identity", "");
    put_field(call, "method", "method", "GET");
    put_field(call, "host", "host", "localhost");
    put_field(call, "path", "path", "/");
    put_field(call, "cluster", "cluster", "");
    lk_admin_call_put(call, LK_STR("<p><label>headers, one on each line, as in <code>x-lane: gray</code>"
                                   "<textarea name='headers'></textarea></label></p>\n"
                                   "<button>try it</button></form>\n<p><a href='lanes'>lanes</a> "
                                   "<a href='.'>overview</a></p>\n"));
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

void lk_lane_page_dry(struct lk_admin_call *call, enum lk_admin_format format)
{
    struct lk_lane_dry_ask ask = {.call = call, .runtime = lk_lane_runtime_find()};
    struct lk_lane_dry_run *run;

    if (ask.runtime == NULL || lk_list_empty(&ask.runtime->filters)) {
        refuse(call, "No lane filter is configured here.");
        return;
    }
    if (!find_filter(&ask) || !read_start(&ask) || !read_headers(&ask) || !read_peer(&ask) || !read_cluster(&ask))
        return;
    ask.input.headers = &ask.headers;
    run = lk_lane_dry_run_new(ask.settings, ask.runtime->loop, &ask.input);
    if (format == LK_ADMIN_JSON)
        lk_lane_dry_json(&ask, run);
    else
        lk_lane_dry_people(&ask, run, format == LK_ADMIN_HTML);
    lk_lane_dry_run_free(run);
}
