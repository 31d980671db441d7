/* Heap wrappers and growing arrays. */
#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

LK_TEST(mem, nothing_is_still_a_pointer)
{
    void *a = lk_malloc(0);
    void *b = lk_calloc(0, 8);

    LK_CHECK_NOT_NULL(a);
    LK_CHECK_NOT_NULL(b);
    lk_free(a);
    lk_free(b);
    lk_free(NULL);
}

LK_TEST(mem, grow_doubles_and_keeps_what_is_there)
{
    size_t cap = 0;
    int *array = NULL;

    for (int i = 0; i < 1000; i++) {
        array = lk_grow(array, &cap, (size_t)i + 1, sizeof(*array));
        array[i] = i;
    }
    LK_CHECK_EQ_UINT(cap, 1024);
    for (int i = 0; i < 1000; i++)
        LK_CHECK_EQ_INT(array[i], i);
    lk_free(array);
}

/* Runs fn in a child and gives what it wrote to stderr and how it ended. */
static int run_child(void (*fn)(void), char *text, size_t size)
{
    int fds[2];
    int status;
    ssize_t got;
    pid_t pid;

    LK_CHECK(pipe(fds) == 0);
    pid = fork();
    LK_CHECK(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(fds[1]);
    got = read(fds[0], text, size - 1);
    text[got > 0 ? got : 0] = '\0';
    close(fds[0]);
    LK_CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static void break_invariant(void)
{
    int answer = 41;

    LK_ASSERT(answer == 42);
}

LK_TEST(mem, broken_invariant_ends_the_process_with_place_and_reason)
{
    char text[512];
    int status = run_child(break_invariant, text, sizeof(text));

    LK_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    LK_CHECK_CONTAINS(text, "test_mem.c:");
    LK_CHECK_CONTAINS(text, "assertion failed: answer == 42\n");
}

static void grow_too_far(void)
{
    size_t cap = 0;

    lk_free(lk_grow(NULL, &cap, SIZE_MAX / 4, 16));
}

LK_TEST(mem, overflow_of_a_size_ends_the_process)
{
    char text[512];
    int status = run_child(grow_too_far, text, sizeof(text));

    LK_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    LK_CHECK_CONTAINS(text, "out of memory");
}
