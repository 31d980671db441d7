/*
 * What is left of a crash: build id, thread, what the loop was doing, a backtrace. Written with async-signal-safe calls
 * only; names of routes and clusters may appear, header values never.
 */
#include "proxy/base/log.h"
#include "proxy/base/version.h"
#include "proxy/io/loop.h"
#include "proxy/server/server_internal.h"

#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define FRAMES_MAX 64

static void put(const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = write(lk_log_fd(), text, len);
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

static void put_address(unsigned long value)
{
    char text[2 + 2 * sizeof(value) + 1];
    char *p = text + sizeof(text) - 1;
    *p = '\0';
    do {
        *--p = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value > 0);
    *--p = 'x';
    *--p = '0';
    put(p);
}

static const char *signal_name(int number)
{
    switch (number) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGFPE:
        return "SIGFPE";
    case SIGILL:
        return "SIGILL";
    case SIGABRT:
        return "SIGABRT";
    default:
        return "signal";
    }
}

static void on_fatal(int number, siginfo_t *info, void *context)
{
    void *frames[FRAMES_MAX];
    char thread[17] = {0};
    struct lk_loop *loop = lk_loop_current();
    (void)context;
    prctl(PR_GET_NAME, thread, 0, 0, 0);
    put("[critical] lanekeeper " LK_VERSION " build " LK_REVISION " caught ");
    put(signal_name(number));
    put(" at address ");
    put_address((unsigned long)info->si_addr);
    put(", thread ");
    put(thread);
    if (loop != NULL) {
        const char *activity = lk_loop_activity(loop);
        put(", loop ");
        put(lk_loop_name(loop));
        put(", doing ");
        put(activity != NULL ? activity : "nothing it told of");
    }
    put("\nbacktrace:\n");
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), lk_log_fd());
    signal(number, SIG_DFL);
    raise(number);
}

void lk_crash_use_stack(struct lk_crash_stack *stack)
{
    stack_t alternate = {.ss_sp = stack->bytes, .ss_size = sizeof(stack->bytes)};
    sigaltstack(&alternate, NULL);
}

void lk_crash_leave_stack(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
}

void lk_crash_install(void)
{
    static struct lk_crash_stack stack;
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    void *warm[1];
    struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};
    backtrace(warm, 1); /* loads the unwinder now, not inside a handler */
    lk_crash_use_stack(&stack);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
}
