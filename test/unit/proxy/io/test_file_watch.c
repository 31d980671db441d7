/* Watching files in a folder of the test's own. */
#include "proxy/io/file_watch.h"
#include "test/unit/proxy/io/loop_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    struct lk_loop *loop;
    char folder[64];
    char paths[8][300];
    int next_path;
    int changes, other_changes;
    struct lk_file_watch *watch; /* freed in the callback when set */
};

static void setup(struct fixture *f)
{
    *f = (struct fixture){.loop = test_loop_new(), .folder = "/tmp/lk_watch_XXXXXX"};
    LK_CHECK_NOT_NULL(mkdtemp(f->folder));
}

static const char *path_of(struct fixture *f, const char *name)
{
    char *out = f->paths[f->next_path++ % 8];
    snprintf(out, 300, "%s/%s", f->folder, name);
    return out;
}

static void teardown(struct fixture *f, const char *const *names)
{
    for (; *names != NULL; names++) {
        unlink(path_of(f, *names));
        rmdir(path_of(f, *names));
    }
    LK_CHECK_EQ_INT(rmdir(f->folder), 0);
    lk_loop_free(f->loop);
}

static void on_change(void *arg)
{
    struct fixture *f = arg;
    f->changes++;
    lk_file_watch_free(f->watch);
    f->watch = NULL;
}

static void on_other_change(void *arg)
{
    ((struct fixture *)arg)->other_changes++;
}

static struct lk_file_watch *watch(struct fixture *f, const char *name, const char *folder, lk_file_watch_fn fn)
{
    struct lk_error error = {0};
    struct lk_file_watch *w =
        lk_file_watch_new(f->loop, lk_str_from(path_of(f, name)), lk_str_from(folder), fn, f, &error);
    LK_CHECK_MSG(w != NULL, "%s", error.text);
    return w;
}

static void make_file(struct fixture *f, const char *name)
{
    int fd = open(path_of(f, name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    LK_CHECK(fd >= 0);
    LK_CHECK_EQ_INT(write(fd, "x", 1), 1);
    close(fd);
}

static void move_file(struct fixture *f, const char *from, const char *to)
{
    make_file(f, from);
    LK_CHECK_EQ_INT(rename(path_of(f, from), path_of(f, to)), 0);
}

static void settle(struct fixture *f)
{
    lk_loop_turn(f->loop, 10);
    test_turn_some(f->loop, 5);
}

LK_TEST(file_watch, a_file_moved_onto_its_path_is_reported_once_a_turn)
{
    struct fixture f;
    setup(&f);
    struct lk_file_watch *w = watch(&f, "conf.yaml", "", on_change);
    for (int i = 0; i < 5; i++)
        move_file(&f, "new", "conf.yaml");
    TURN_UNTIL(f.loop, f.changes > 0);
    settle(&f);
    LK_CHECK_EQ_INT(f.changes, 1);
    move_file(&f, "new", "conf.yaml");
    TURN_UNTIL(f.loop, f.changes == 2);
    lk_file_watch_free(w);
    teardown(&f, (const char *const[]){"conf.yaml", NULL});
}

LK_TEST(file_watch, other_files_and_writes_in_place_are_not_reported)
{
    struct fixture f;
    setup(&f);
    struct lk_file_watch *w = watch(&f, "conf.yaml", "", on_change);
    move_file(&f, "new", "other.yaml");
    make_file(&f, "conf.yaml");
    settle(&f);
    LK_CHECK_EQ_INT(f.changes, 0);
    lk_file_watch_free(w);
    teardown(&f, (const char *const[]){"conf.yaml", "other.yaml", NULL});
}

LK_TEST(file_watch, a_swapped_volume_link_is_reported)
{
    struct fixture f;
    setup(&f);
    make_file(&f, "dummy");
    LK_CHECK_EQ_INT(symlink("v1", path_of(&f, "..data")), 0);
    struct lk_file_watch *w = watch(&f, "conf.yaml", "", on_change);
    LK_CHECK_EQ_INT(symlink("v2", path_of(&f, "..data_tmp")), 0);
    LK_CHECK_EQ_INT(rename(path_of(&f, "..data_tmp"), path_of(&f, "..data")), 0);
    TURN_UNTIL(f.loop, f.changes == 1);
    lk_file_watch_free(w);
    teardown(&f, (const char *const[]){"dummy", "..data", NULL});
}

LK_TEST(file_watch, a_watched_directory_reports_anything_moved_into_it)
{
    struct fixture f;
    setup(&f);
    LK_CHECK_EQ_INT(mkdir(path_of(&f, "dir"), 0700), 0);
    struct lk_file_watch *w = watch(&f, "conf.yaml", path_of(&f, "dir"), on_change);
    move_file(&f, "new", "conf.yaml"); /* beside it: not meant */
    settle(&f);
    LK_CHECK_EQ_INT(f.changes, 0);
    move_file(&f, "new", "dir/whatever");
    TURN_UNTIL(f.loop, f.changes == 1);
    lk_file_watch_free(w);
    teardown(&f, (const char *const[]){"dir/whatever", "dir", "conf.yaml", NULL});
}

LK_TEST(file_watch, two_watches_of_a_folder_do_not_disturb_each_other)
{
    struct fixture f;
    int fds = test_open_fds();
    setup(&f);
    struct lk_file_watch *a = watch(&f, "a", "", on_change);
    struct lk_file_watch *b = watch(&f, "b", "", on_other_change);
    move_file(&f, "new", "b");
    TURN_UNTIL(f.loop, f.other_changes == 1);
    LK_CHECK_EQ_INT(f.changes, 0);
    lk_file_watch_free(a);
    move_file(&f, "new", "a");
    move_file(&f, "new", "b");
    TURN_UNTIL(f.loop, f.other_changes == 2);
    LK_CHECK_EQ_INT(f.changes, 0);
    lk_file_watch_free(b);
    teardown(&f, (const char *const[]){"a", "b", NULL});
    LK_CHECK_EQ_INT(test_open_fds(), fds);
}

LK_TEST(file_watch, a_watch_may_be_freed_in_its_callback_and_while_a_change_waits)
{
    struct fixture f;
    setup(&f);
    f.watch = watch(&f, "a", "", on_change);
    move_file(&f, "new", "a");
    TURN_UNTIL(f.loop, f.changes == 1);
    struct lk_file_watch *w = watch(&f, "a", "", on_change);
    move_file(&f, "new", "a");
    lk_file_watch_free(w);
    settle(&f);
    LK_CHECK_EQ_INT(f.changes, 1);
    teardown(&f, (const char *const[]){"a", NULL});
}

LK_TEST(file_watch, a_missing_folder_or_no_file_is_an_error)
{
    struct fixture f;
    struct lk_error error = {0};
    int fds = test_open_fds();
    setup(&f);
    LK_CHECK_NULL(lk_file_watch_new(f.loop, LK_STR("/nonexistent/dir/file"), LK_STR(""), on_change, &f, &error));
    LK_CHECK_CONTAINS(error.text, "/nonexistent/dir");
    LK_CHECK_NULL(lk_file_watch_new(f.loop, LK_STR(""), LK_STR(""), on_change, &f, &error));
    LK_CHECK_NULL(lk_file_watch_new(f.loop, LK_STR("/tmp/"), LK_STR(""), on_change, &f, &error));
    LK_CHECK_CONTAINS(error.text, "no file to watch");
    teardown(&f, (const char *const[]){NULL});
    LK_CHECK_EQ_INT(test_open_fds(), fds);
}

LK_TEST(file_watch, a_removed_folder_ends_the_watch_quietly)
{
    struct fixture f;
    setup(&f);
    LK_CHECK_EQ_INT(mkdir(path_of(&f, "dir"), 0700), 0);
    struct lk_file_watch *w = watch(&f, "dir/file", "", on_change);
    LK_CHECK_EQ_INT(rmdir(path_of(&f, "dir")), 0);
    settle(&f);
    LK_CHECK_EQ_INT(f.changes, 0);
    lk_file_watch_free(w);
    teardown(&f, (const char *const[]){NULL});
}
