/*
 * Watching files through inotify, one instance per loop that watches anything. What is watched is the folder: a file
 * that is moved onto its path, or the ..data link that Kubernetes swaps under a mounted volume.
 */
#include "proxy/io/file_watch.h"

#include "proxy/base/log.h"
#include "proxy/io/loop_private.h"

#include <errno.h>
#include <limits.h>
#include <sys/inotify.h>
#include <unistd.h>

#define VOLUME_LINK "..data"

struct lk_file_watcher {
    struct lk_loop *loop;
    int fd;
    struct event event;
    struct lk_list watches;
};

struct lk_file_watch {
    struct lk_list node;
    struct lk_file_watcher *watcher;
    int wd;
    char *name; /* in the folder; NULL: any */
    lk_file_watch_fn on_change;
    void *arg;
    struct lk_deferred changed;
};

static void on_changed(struct lk_deferred *deferred)
{
    struct lk_file_watch *watch = LK_CONTAINER_OF(deferred, struct lk_file_watch, changed);
    watch->on_change(watch->arg); /* may free the watch */
}

static bool concerns(const struct lk_file_watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return true; /* events were lost, any of them */
    if (event->wd != watch->wd || !(event->mask & IN_MOVED_TO) || event->len == 0)
        return false;
    return watch->name == NULL || strcmp(event->name, watch->name) == 0 || strcmp(event->name, VOLUME_LINK) == 0;
}

static void handle_event(struct lk_file_watcher *watcher, const struct inotify_event *event)
{
    LK_LIST_FOREACH(node, &watcher->watches)
    {
        struct lk_file_watch *watch = LK_LIST_ENTRY(node, struct lk_file_watch, node);
        if (concerns(watch, event))
            lk_loop_defer(watcher->loop, &watch->changed);
        if (event->wd == watch->wd && (event->mask & IN_IGNORED)) {
            LK_LOG_LIMITED(CONFIG, WARN, "the folder of watched file \"%s\" is gone; changes are not seen any more",
                           watch->name != NULL ? watch->name : "*");
            watch->wd = -1;
        }
    }
}

static void on_inotify(evutil_socket_t fd, short what, void *arg)
{
    struct lk_file_watcher *watcher = arg;
    alignas(struct inotify_event) char buf[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    (void)what;
    lk_loop_touch(watcher->loop);
    ssize_t len = read(fd, buf, sizeof(buf)); /* level triggered: the rest comes in the next turn */
    for (const char *at = buf; at < buf + len;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
        handle_event(watcher, event);
        at += sizeof(*event) + event->len;
    }
}

static bool watcher_open(struct lk_loop *loop, struct lk_error *error)
{
    struct lk_file_watcher *watcher = lk_calloc(1, sizeof(*watcher));
    watcher->loop = loop;
    lk_list_init(&watcher->watches);
    watcher->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watcher->fd < 0) {
        lk_free(watcher);
        return lk_error_errno(error, "cannot watch files");
    }
    event_assign(&watcher->event, loop->base, watcher->fd, EV_READ | EV_PERSIST, on_inotify, watcher);
    if (event_add(&watcher->event, NULL) != 0) {
        close(watcher->fd);
        lk_free(watcher);
        return lk_error_set(error, LK_ERROR_IO, "cannot watch files: the event loop refused");
    }
    loop->watcher = watcher;
    return true;
}

static void watcher_close_if_unused(struct lk_file_watcher *watcher)
{
    if (!lk_list_empty(&watcher->watches))
        return;
    watcher->loop->watcher = NULL;
    event_del(&watcher->event);
    close(watcher->fd);
    lk_free(watcher);
}

static bool start(struct lk_file_watch *watch, const char *folder, struct lk_error *error)
{
    watch->wd = inotify_add_watch(watch->watcher->fd, folder, IN_MOVED_TO | IN_ONLYDIR);
    return watch->wd >= 0 || lk_error_errno(error, "cannot watch the folder %s", folder);
}

/* Splits path into folder (to be freed) and the name in it (to be freed). */
static char *split(struct lk_str path, char **name)
{
    const char *slash = path.len > 0 ? memrchr(path.ptr, '/', path.len) : NULL;
    size_t folder_len = slash != NULL ? (size_t)(slash - path.ptr) : 0;
    *name = lk_str_dup(lk_str_drop(path, slash != NULL ? folder_len + 1 : 0));
    if (slash == NULL)
        return lk_strdup(".");
    return folder_len > 0 ? lk_str_dup(lk_str(path.ptr, folder_len)) : lk_strdup("/");
}

struct lk_file_watch *lk_file_watch_new(struct lk_loop *loop, struct lk_str path, struct lk_str directory,
                                        lk_file_watch_fn on_change, void *arg, struct lk_error *error)
{
    if (directory.len == 0 && (path.len == 0 || path.ptr[path.len - 1] == '/')) {
        lk_error_set(error, LK_ERROR_INVALID, "no file to watch: \"%.*s\"", LK_STR_ARG(path));
        return NULL;
    }
    if (loop->watcher == NULL && !watcher_open(loop, error))
        return NULL;
    struct lk_file_watch *watch = lk_calloc(1, sizeof(*watch));
    watch->watcher = loop->watcher;
    watch->on_change = on_change;
    watch->arg = arg;
    watch->wd = -1;
    lk_deferred_init(&watch->changed, on_changed);
    lk_list_push_back(&loop->watcher->watches, &watch->node);
    char *folder = directory.len > 0 ? lk_str_dup(directory) : split(path, &watch->name);
    bool started = start(watch, folder, error);
    lk_free(folder);
    if (started)
        return watch;
    lk_file_watch_free(watch);
    return NULL;
}

/* Watches of the same folder share a descriptor. */
static bool is_shared(const struct lk_file_watch *watch)
{
    LK_LIST_FOREACH(node, &watch->watcher->watches)
    {
        const struct lk_file_watch *other = LK_LIST_ENTRY(node, struct lk_file_watch, node);
        if (other != watch && other->wd == watch->wd)
            return true;
    }
    return false;
}

void lk_file_watch_free(struct lk_file_watch *watch)
{
    if (watch == NULL)
        return;
    struct lk_file_watcher *watcher = watch->watcher;
    if (watch->wd >= 0 && !is_shared(watch))
        inotify_rm_watch(watcher->fd, watch->wd);
    lk_list_remove(&watch->changed.node);
    lk_list_remove(&watch->node);
    watcher_close_if_unused(watcher);
    lk_free(watch->name);
    lk_free(watch);
}
