/* The table in force: files that come and go, mistakes, and threads that read while it changes. */
#include "proxy/lane/table_source.h"
#include "test/unit/proxy/io/loop_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static struct lk_lane_table *make(uint64_t revision)
{
    struct lk_lane_table *table = lk_lane_table_new();

    table->revision = revision;
    table->hash = revision * 31;
    return table;
}

static struct lk_lane_source *plain_source(void)
{
    struct lk_lane_source_options options = {0};

    return lk_lane_source_new(&options);
}

LK_TEST(table_source, readers_see_each_table_at_their_next_use)
{
    struct lk_lane_source *source = plain_source();
    struct lk_lane_reader a, b;

    lk_lane_reader_init(&a, source);
    lk_lane_reader_init(&b, source);
    LK_CHECK_NULL(lk_lane_reader_get(&a));
    LK_CHECK(lk_lane_source_publish(source, make(1)));
    LK_CHECK_EQ_UINT(lk_lane_reader_get(&a)->revision, 1);
    LK_CHECK(lk_lane_reader_get(&a)->rules_prepared);
    LK_CHECK(lk_lane_source_publish(source, make(2)));
    LK_CHECK_EQ_UINT(lk_lane_reader_get(&a)->revision, 2);
    LK_CHECK_EQ_UINT(lk_lane_reader_get(&b)->revision, 2);
    LK_CHECK_EQ_PTR(lk_lane_reader_get(&a), lk_lane_reader_get(&b));
    lk_lane_reader_fini(&a);
    lk_lane_reader_fini(&b);
    lk_lane_source_free(source);
}

LK_TEST(table_source, an_equal_table_changes_nothing)
{
    struct lk_lane_source *source = plain_source();
    struct lk_lane_source_info info;

    LK_CHECK(lk_lane_source_publish(source, make(1)));
    uint64_t generation = lk_lane_source_generation(source);
    LK_CHECK(!lk_lane_source_publish(source, make(1)));
    LK_CHECK_EQ_UINT(lk_lane_source_generation(source), generation);
    lk_lane_source_info(source, &info);
    LK_CHECK_EQ_UINT(info.accepted, 1);
    LK_CHECK_EQ_UINT(info.unchanged, 1);
    lk_lane_source_free(source);
}

static void attach(void *arg, struct lk_lane_table *table)
{
    LK_CHECK(table->rules_prepared);
    table->attachment = arg;
}

LK_TEST(table_source, the_owner_attaches_before_anybody_sees_the_table)
{
    int mine;
    struct lk_lane_source_options options = {.on_table = attach, .arg = &mine};
    struct lk_lane_source *source = lk_lane_source_new(&options);
    struct lk_lane_reader reader;

    lk_lane_reader_init(&reader, source);
    lk_lane_source_publish(source, make(1));
    LK_CHECK_EQ_PTR(lk_lane_reader_get(&reader)->attachment, &mine);
    lk_lane_reader_fini(&reader);
    lk_lane_source_free(source);
}

LK_TEST(table_source, a_refused_table_leaves_the_last_good_one)
{
    struct lk_lane_source *source = plain_source();
    struct lk_lane_source_info info;
    struct lk_errors errors;

    lk_errors_init(&errors);
    lk_errors_add_at(&errors, "lanes[0].name", "no good");
    lk_lane_source_refuse(source, "/t.yaml", &errors);
    lk_lane_source_info(source, &info);
    LK_CHECK_NULL(info.table);
    LK_CHECK_STR(info.last_error, "/t.yaml: lanes[0].name: no good");
    LK_CHECK_EQ_INT(info.published_us, 0);
    lk_lane_source_publish(source, make(5));
    errors.items[0].line = 7;
    lk_lane_source_refuse(source, "/t.yaml", &errors);
    lk_lane_source_info(source, &info);
    LK_CHECK_EQ_UINT(info.table->revision, 5);
    LK_CHECK_EQ_UINT(info.refused, 2);
    LK_CHECK_STR(info.last_error, "/t.yaml:7: lanes[0].name: no good");
    LK_CHECK(info.published_us > 0 && info.refused_us > 0);
    lk_lane_source_publish(source, make(5)); /* the good one again */
    lk_lane_source_info(source, &info);
    LK_CHECK_STR(info.last_error, "");
    lk_errors_fini(&errors);
    lk_lane_source_free(source);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

struct folder {
    struct lk_loop *loop;
    struct lk_lane_source *source;
    struct lk_lane_source_info info;
    char path[64];
    char at[4][300];
    int next;
};

static const char *in(struct folder *f, const char *name)
{
    char *out = f->at[f->next++ % 4];

    snprintf(out, 300, "%s/%s", f->path, name);
    return out;
}

static void write_file(struct folder *f, const char *name, const char *text)
{
    int fd = open(in(f, name), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

    LK_CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void put(struct folder *f, const char *name, const char *text)
{
    write_file(f, "new", text);
    LK_CHECK_EQ_INT(rename(in(f, "new"), in(f, name)), 0);
}

/* A file holds a revision, anything else is a mistake. */
static struct lk_lane_table *load(const char *path, struct lk_str resource, struct lk_errors *errors)
{
    char text[32] = "";
    uint64_t revision;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof(text)) : -1;

    LK_CHECK_LKSTR(resource, "lane-table");
    if (fd >= 0)
        close(fd);
    if (len >= 0 && lk_str_to_u64(lk_str(text, (size_t)len), &revision))
        return make(revision);
    lk_errors_add(errors, len < 0 ? "cannot open" : "no number");
    return NULL;
}

static const struct lk_lane_source_info *info(struct folder *f)
{
    lk_lane_source_info(f->source, &f->info);
    return &f->info;
}

static uint64_t revision(struct folder *f)
{
    return info(f)->table != NULL ? info(f)->table->revision : 0;
}

static void start(struct folder *f)
{
    memset(f, 0, sizeof(*f));
    snprintf(f->path, sizeof(f->path), "/tmp/lk_lanes_XXXXXX");
    LK_CHECK_NOT_NULL(mkdtemp(f->path));
    f->loop = test_loop_new();
    f->source = plain_source();
}

static void watch(struct folder *f, const char *name)
{
    struct lk_lane_file file = {lk_str_from(in(f, name)), {"", 0}, LK_STR("lane-table"), load};
    struct lk_error error;

    LK_CHECK_MSG(lk_lane_source_watch(f->source, f->loop, &file, &error), "%s", error.text);
}

static void stop(struct folder *f, const char *const *names)
{
    lk_lane_source_free(f->source);
    lk_loop_free(f->loop);
    for (; *names != NULL; names++)
        if (unlink(in(f, *names)) != 0)
            LK_CHECK_EQ_INT(rmdir(in(f, *names)), 0);
    LK_CHECK_EQ_INT(rmdir(f->path), 0);
}

LK_TEST(table_source, follows_a_file)
{
    struct folder f;

    start(&f);
    put(&f, "t", "1");
    watch(&f, "t");
    LK_CHECK_EQ_UINT(revision(&f), 1);
    put(&f, "t", "2");
    TURN_UNTIL(f.loop, revision(&f) == 2);
    put(&f, "t", "nonsense");
    TURN_UNTIL(f.loop, info(&f)->refused == 1);
    LK_CHECK_EQ_UINT(revision(&f), 2);
    LK_CHECK_CONTAINS(info(&f)->last_error, "/t: no number");
    put(&f, "t", "3");
    TURN_UNTIL(f.loop, revision(&f) == 3);
    LK_CHECK_STR(info(&f)->last_error, "");
    stop(&f, (const char *const[]){"t", NULL});
}

LK_TEST(table_source, a_file_may_come_later)
{
    struct folder f;

    start(&f);
    watch(&f, "t");
    LK_CHECK_NULL(info(&f)->table);
    LK_CHECK_EQ_UINT(info(&f)->refused, 1);
    put(&f, "t", "4");
    TURN_UNTIL(f.loop, revision(&f) == 4);
    stop(&f, (const char *const[]){"t", NULL});
}

static void swap_volume(struct folder *f, const char *version)
{
    LK_CHECK_EQ_INT(symlink(version, in(f, "..data_tmp")), 0);
    LK_CHECK_EQ_INT(rename(in(f, "..data_tmp"), in(f, "..data")), 0);
}

LK_TEST(table_source, follows_the_link_of_a_mounted_volume)
{
    struct folder f;

    start(&f);
    LK_CHECK_EQ_INT(mkdir(in(&f, "v1"), 0700) | mkdir(in(&f, "v2"), 0700), 0);
    write_file(&f, "v1/t", "1");
    write_file(&f, "v2/t", "2");
    swap_volume(&f, "v1");
    LK_CHECK_EQ_INT(symlink("..data/t", in(&f, "t")), 0);
    watch(&f, "t");
    LK_CHECK_EQ_UINT(revision(&f), 1);
    swap_volume(&f, "v2");
    TURN_UNTIL(f.loop, revision(&f) == 2);
    stop(&f, (const char *const[]){"t", "..data", "v1/t", "v2/t", "v1", "v2", NULL});
}

LK_TEST(table_source, a_folder_that_is_not_there_is_an_error)
{
    struct folder f;
    struct lk_error error = {0};

    start(&f);
    struct lk_lane_file file = {lk_str_from(in(&f, "no/such")), {"", 0}, LK_STR("lane-table"), load};
    LK_CHECK(!lk_lane_source_watch(f.source, f.loop, &file, &error));
    LK_CHECK(error.text[0] != '\0');
    stop(&f, (const char *const[]){NULL});
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

#define THREADS 4
#define TABLES 2000

struct thread {
    pthread_t id;
    struct lk_lane_source *source;
    uint64_t last;
    bool went_back;
};

static void *read_until_last(void *arg)
{
    struct thread *thread = arg;
    struct lk_lane_reader reader;

    lk_lane_reader_init(&reader, thread->source);
    while (thread->last < TABLES) {
        const struct lk_lane_table *table = lk_lane_reader_get(&reader);

        if (table == NULL)
            continue;
        thread->went_back |= table->revision < thread->last || table->hash != table->revision * 31;
        thread->last = table->revision;
    }
    lk_lane_reader_fini(&reader);
    return NULL;
}

LK_TEST(table_source, threads_read_while_tables_change)
{
    struct lk_lane_source *source = plain_source();
    struct thread threads[THREADS] = {{0}};

    for (int i = 0; i < THREADS; i++) {
        threads[i].source = source;
        LK_CHECK_EQ_INT(pthread_create(&threads[i].id, NULL, read_until_last, &threads[i]), 0);
    }
    for (uint64_t i = 1; i <= TABLES; i++)
        lk_lane_source_publish(source, make(i));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i].id, NULL);
        LK_CHECK(!threads[i].went_back);
    }
    lk_lane_source_free(source);
}
