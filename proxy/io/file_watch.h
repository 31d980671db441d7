/* Watches files for change on one loop (inotify): a file is reported when it is moved onto its path (the atomic way,
 * also a ConfigMap's ..data symlink swap). Used by configuration files, lane tables, secrets. */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/str.h"
#include "proxy/io/loop.h"

struct lk_file_watch;
typedef void (*lk_file_watch_fn)(void *arg);

/* on_change runs on the loop, at most once per turn. `directory` (may be empty) is WatchedDirectory.path: then anything
 * moved into that directory counts. */
struct lk_file_watch *lk_file_watch_new(struct lk_loop *loop, struct lk_str path, struct lk_str directory,
                                        lk_file_watch_fn on_change, void *arg, struct lk_error *error);
void lk_file_watch_free(struct lk_file_watch *watch);
