/* Intrusive doubly linked list. A node that is not on a list points to itself. */
#pragma once

#include "proxy/base/mem.h"

#include <stdbool.h>
#include <stddef.h>

struct lk_list {
    struct lk_list *next;
    struct lk_list *prev;
};

static inline void lk_list_init(struct lk_list *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool lk_list_empty(const struct lk_list *head)
{
    return head->next == head;
}

/* Whether a node (not a head) is on some list. */
static inline bool lk_list_linked(const struct lk_list *node)
{
    return node->next != node;
}

static inline void lk_list_insert_after(struct lk_list *at, struct lk_list *node)
{
    node->next = at->next;
    node->prev = at;
    at->next->prev = node;
    at->next = node;
}

static inline void lk_list_push_front(struct lk_list *head, struct lk_list *node)
{
    lk_list_insert_after(head, node);
}

static inline void lk_list_push_back(struct lk_list *head, struct lk_list *node)
{
    lk_list_insert_after(head->prev, node);
}

/* Safe on a node that is on no list. */
static inline void lk_list_remove(struct lk_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    lk_list_init(node);
}

/* Moves all nodes of `from` to the end of `to`. */
static inline void lk_list_splice(struct lk_list *to, struct lk_list *from)
{
    if (lk_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    lk_list_init(from);
}

#define LK_LIST_ENTRY(node, type, member) LK_CONTAINER_OF(node, type, member)
#define LK_LIST_FOREACH(node, head) for (struct lk_list *node = (head)->next; (node) != (head); node = (node)->next)
/* The current node may be removed or freed. */
#define LK_LIST_FOREACH_SAFE(node, head)                                                                               \
    for (struct lk_list *node = (head)->next, *node##_next = node->next; (node) != (head);                             \
         node = node##_next, node##_next = node->next)
