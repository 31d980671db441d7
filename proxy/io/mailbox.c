/*
 * How work crosses threads: a lock-free stack that any thread pushes to and the loop takes whole, and an eventfd that
 * ends its wait. The eventfd is edge triggered and never read: every write is an edge.
 */
#include "proxy/io/loop_private.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* Only ends the wait: the tail of the turn runs the work. */
static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

bool lk_mailbox_init(struct lk_mailbox *mailbox, struct event_base *base)
{
    atomic_init(&mailbox->top, NULL);
    mailbox->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->wake_fd < 0)
        return false;
    event_assign(&mailbox->wake_event, base, mailbox->wake_fd, EV_READ | EV_ET | EV_PERSIST, on_wake, NULL);
    return event_add(&mailbox->wake_event, NULL) == 0;
}

void lk_mailbox_fini(struct lk_mailbox *mailbox)
{
    event_del(&mailbox->wake_event);
    close(mailbox->wake_fd);
}

/* Safe in a signal handler. */
void lk_mailbox_wake(struct lk_mailbox *mailbox)
{
    const uint64_t one = 1;
    ssize_t done = write(mailbox->wake_fd, &one, sizeof(one));
    (void)done; /* EAGAIN: it is far above zero, so an edge is on its way */
}

void lk_loop_post(struct lk_loop *loop, struct lk_work *work)
{
    struct lk_mailbox *mailbox = &loop->mailbox;
    struct lk_work *top = atomic_load_explicit(&mailbox->top, memory_order_relaxed);
    do
        work->next = top;
    while (
        !atomic_compare_exchange_weak_explicit(&mailbox->top, &top, work, memory_order_release, memory_order_relaxed));
    if (top == NULL)
        lk_mailbox_wake(mailbox);
}

void lk_mailbox_run(struct lk_mailbox *mailbox)
{
    if (atomic_load_explicit(&mailbox->top, memory_order_relaxed) == NULL)
        return;
    struct lk_work *work = atomic_exchange_explicit(&mailbox->top, NULL, memory_order_acquire);
    struct lk_work *first = NULL;
    while (work != NULL) {
        struct lk_work *next = work->next;
        work->next = first;
        first = work;
        work = next;
    }
    while (first != NULL) {
        struct lk_work *next = first->next; /* fn may free it */
        first->fn(first);
        first = next;
    }
}
