/* Bytes between two sockets through pipes: order, ends, back-pressure, breaks. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "proxy/io/splice.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two TCP connections: left end <-> sockets[0] spliced to sockets[1] <-> right end. */
struct setup {
    struct lk_loop *loop;
    struct lk_splice *splice;
    int ends[2], sockets[2];
    unsigned progress, over;
    bool clean, first_failed;
};

static void on_progress(void *owner)
{
    ((struct setup *)owner)->progress++;
}

static void on_done(void *owner, bool clean, bool downstream_failed)
{
    struct setup *s = owner;
    s->over++;
    s->clean = clean;
    s->first_failed = downstream_failed;
}

static const struct lk_splice_ops ops = {.on_progress = on_progress, .on_done = on_done};

static void tcp_pair(int pair[2])
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LK_CHECK_EQ_INT(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    LK_CHECK_EQ_INT(listen(listener, 1), 0);
    LK_CHECK_EQ_INT(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LK_CHECK_EQ_INT(connect(pair[0], (struct sockaddr *)&addr, len), 0);
    pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    LK_CHECK(pair[1] >= 0);
    close(listener);
}

static void begin(struct setup *s, bool left_ended)
{
    int left[2], right[2];
    memset(s, 0, sizeof(*s));
    tcp_pair(left);
    tcp_pair(right);
    s->ends[0] = left[0];
    s->sockets[0] = left[1];
    s->sockets[1] = right[1];
    s->ends[1] = right[0];
    s->loop = lk_loop_new(&(struct lk_loop_options){.index = 0, .name = "test_splice"});
    s->splice = lk_splice_new(s->loop, s->sockets[0], s->sockets[1], left_ended, false, &ops, s);
    LK_CHECK_NOT_NULL(s->splice);
}

static void finish(struct setup *s)
{
    lk_splice_free(s->splice);
    for (unsigned i = 0; i < 2; i++) {
        if (s->ends[i] >= 0)
            close(s->ends[i]);
        close(s->sockets[i]);
    }
    lk_loop_turn(s->loop, 0);
    lk_loop_free(s->loop);
}

#define TURN_UNTIL_(s_, cond_)                                                                                         \
    for (int turns_ = 0; !(cond_); turns_++) {                                                                         \
        LK_CHECK_MSG(turns_ < 4000, "never came true: %s", #cond_);                                                    \
        lk_loop_turn((s_)->loop, 2);                                                                                   \
    }

/* Moves `total` bytes of a pattern from one end to the other. */
static void push(struct setup *s, int from, int to, size_t total)
{
    char *block = lk_malloc(65536);
    size_t sent = 0, got = 0;
    while (got < total) {
        size_t want = LK_MIN(total - sent, 65536u);
        for (size_t i = 0; i < want; i++)
            block[i] = (char)((sent + i) * 13 + (sent + i) / 1000);
        ssize_t n = want > 0 ? send(s->ends[from], block, want, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        sent += n > 0 ? (size_t)n : 0;
        n = recv(s->ends[to], block, 65536, MSG_DONTWAIT);
        for (ssize_t i = 0; i < n; i++) {
            size_t at = got + (size_t)i;
            LK_CHECK_MSG(block[i] == (char)(at * 13 + at / 1000), "byte %zu differs", at);
        }
        got += n > 0 ? (size_t)n : 0;
        if (n <= 0)
            lk_loop_turn(s->loop, 2);
    }
    lk_free(block);
}

LK_TEST(splice, moves_both_ways_and_counts)
{
    struct setup s;
    begin(&s, false);
    push(&s, 0, 1, 5u << 20);
    push(&s, 1, 0, 100);
    LK_CHECK_EQ_UINT(lk_splice_bytes_a_to_b(s.splice), 5u << 20);
    LK_CHECK_EQ_UINT(lk_splice_bytes_b_to_a(s.splice), 100);
    LK_CHECK(s.progress > 0);
    LK_CHECK_EQ_UINT(s.over, 0);
    finish(&s);
}

LK_TEST(splice, each_direction_ends_by_itself_and_then_the_whole)
{
    struct setup s;
    char byte;
    begin(&s, false);
    LK_CHECK_EQ_INT(send(s.ends[0], "last", 4, 0), 4);
    shutdown(s.ends[0], SHUT_WR);
    push(&s, 1, 0, 70000); /* the other direction goes on */
    char text[8] = "";
    TURN_UNTIL_(&s, recv(s.ends[1], text, sizeof(text), MSG_DONTWAIT) == 4);
    LK_CHECK_STR(text, "last");
    TURN_UNTIL_(&s, recv(s.ends[1], &byte, 1, MSG_DONTWAIT) == 0);
    LK_CHECK_EQ_UINT(s.over, 0);
    shutdown(s.ends[1], SHUT_WR);
    TURN_UNTIL_(&s, s.over == 1);
    LK_CHECK(s.clean);
    finish(&s);
}

LK_TEST(splice, end_that_was_seen_before_is_not_waited_for)
{
    struct setup s;
    begin(&s, true);
    push(&s, 1, 0, 1000);
    shutdown(s.ends[1], SHUT_WR);
    TURN_UNTIL_(&s, s.over == 1);
    LK_CHECK(s.clean);
    finish(&s);
}

LK_TEST(splice, slow_reader_stops_the_sender)
{
    struct setup s;
    char block[65536];
    size_t sent = 0;
    begin(&s, false);
    memset(block, 'x', sizeof(block));
    for (unsigned idle = 0; idle < 20;) {
        ssize_t n = send(s.ends[0], block, sizeof(block), MSG_DONTWAIT);
        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        lk_loop_turn(s.loop, 1);
    }
    int unsent = 0;
    LK_CHECK_EQ_INT(ioctl(s.sockets[1], SIOCOUTQNSD, &unsent), 0);
    LK_CHECK_MSG(unsent < 1 << 20, "%d bytes wait in the slow reader's socket", unsent);
    for (size_t got = 0; got < sent;) {
        ssize_t n = recv(s.ends[1], block, sizeof(block), MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
        if (n <= 0)
            lk_loop_turn(s.loop, 1);
    }
    LK_CHECK_EQ_UINT(lk_splice_bytes_a_to_b(s.splice), sent);
    finish(&s);
}

LK_TEST(splice, copies_when_there_are_no_descriptors_for_a_pipe)
{
    struct setup s;
    struct rlimit before, none;
    begin(&s, false);
    LK_CHECK_EQ_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    LK_CHECK_EQ_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    push(&s, 0, 1, 9u << 20);
    push(&s, 1, 0, 100);
    LK_CHECK_EQ_UINT(lk_splice_bytes_a_to_b(s.splice), 9u << 20);
    shutdown(s.ends[0], SHUT_WR);
    shutdown(s.ends[1], SHUT_WR);
    TURN_UNTIL_(&s, s.over == 1);
    LK_CHECK(s.clean);
    LK_CHECK_EQ_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    finish(&s);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

LK_TEST(splice, holds_no_pipe_while_nothing_waits)
{
    struct setup s;
    begin(&s, false);
    unsigned before = open_descriptors();
    push(&s, 0, 1, 1u << 20);
    push(&s, 1, 0, 1u << 20);
    LK_CHECK_EQ_UINT(open_descriptors(), before + 2); /* one pipe, kept by the loop for all its streams */
    finish(&s);
}

static void reset_end(struct setup *s, unsigned end)
{
    const struct linger reset = {1, 0};
    setsockopt(s->ends[end], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(s->ends[end]);
    s->ends[end] = -1;
}

LK_TEST(splice, break_names_its_side)
{
    for (unsigned end = 0; end < 2; end++) {
        struct setup s;
        begin(&s, false);
        push(&s, 0, 1, 1000);
        reset_end(&s, end);
        TURN_UNTIL_(&s, s.over == 1);
        LK_CHECK(!s.clean);
        LK_CHECK_EQ_INT(s.first_failed, end == 0);
        finish(&s);
    }
}

LK_TEST(splice, may_be_freed_at_any_moment)
{
    struct setup s;
    begin(&s, false);
    finish(&s); /* before its first move */
    begin(&s, false);
    LK_CHECK_EQ_INT(send(s.ends[0], "abc", 3, 0), 3);
    lk_loop_turn(s.loop, 5);
    finish(&s);
}
