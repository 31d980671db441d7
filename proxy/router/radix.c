/* Radix tree: insertion splits labels, the walk compares each byte of the key once. */
#include "proxy/router/radix.h"

#include "proxy/base/mem.h"

static struct lk_radix_node *node_new(struct lk_arena *arena, struct lk_str label)
{
    struct lk_radix_node *node = lk_arena_zalloc(arena, sizeof(*node));

    node->label = label;
    return node;
}

static int child_index(const struct lk_radix_node *node, unsigned char first)
{
    const unsigned char *hit = node->child_count > 0 ? memchr(node->firsts, first, node->child_count) : NULL;

    return hit != NULL ? (int)(hit - node->firsts) : -1;
}

static void child_add(struct lk_radix_node *node, struct lk_arena *arena, struct lk_radix_node *child)
{
    if (node->child_count == node->child_cap) {
        unsigned cap = node->child_cap != 0 ? node->child_cap * 2 : 1;
        struct lk_radix_node **children = lk_arena_array(arena, cap, sizeof(*children));
        unsigned char *firsts = lk_arena_array(arena, cap, 1);

        if (node->child_count > 0) {
            memcpy(children, node->children, node->child_count * sizeof(struct lk_radix_node *));
            memcpy(firsts, node->firsts, node->child_count);
        }
        node->children = children;
        node->firsts = firsts;
        node->child_cap = cap;
    }
    node->children[node->child_count] = child;
    node->firsts[node->child_count] = (unsigned char)child->label.ptr[0];
    node->child_count++;
}

static size_t common_length(struct lk_str a, struct lk_str b)
{
    size_t max = LK_MIN(a.len, b.len);
    size_t n = 0;

    while (n < max && a.ptr[n] == b.ptr[n])
        n++;
    return n;
}

/* Puts a node for the first n bytes of the child's label between the two. */
static struct lk_radix_node *split(struct lk_radix_node *parent, int index, struct lk_arena *arena, size_t n)
{
    struct lk_radix_node *child = parent->children[index];
    struct lk_radix_node *middle = node_new(arena, lk_str(child->label.ptr, n));

    child->label = lk_str_drop(child->label, n);
    child_add(middle, arena, child);
    parent->children[index] = middle;
    return middle;
}

void **lk_radix_slot(struct lk_radix_node *root, struct lk_arena *arena, struct lk_str key)
{
    struct lk_radix_node *node = root;

    while (key.len > 0) {
        int index = child_index(node, (unsigned char)key.ptr[0]);

        if (index < 0) {
            struct lk_radix_node *leaf = node_new(arena, key);

            child_add(node, arena, leaf);
            return &leaf->value;
        }
        struct lk_radix_node *child = node->children[index];
        size_t n = common_length(child->label, key);

        node = n < child->label.len ? split(node, index, arena, n) : child;
        key = lk_str_drop(key, n);
    }
    return &node->value;
}

void lk_radix_walk_init(struct lk_radix_walk *walk, const struct lk_radix_node *root, struct lk_str key)
{
    walk->node = root;
    walk->rest = key;
}

void *lk_radix_walk_next(struct lk_radix_walk *walk, struct lk_str *rest)
{
    while (walk->node != NULL) {
        const struct lk_radix_node *node = walk->node;
        int index = walk->rest.len > 0 ? child_index(node, (unsigned char)walk->rest.ptr[0]) : -1;

        *rest = walk->rest;
        walk->node = NULL;
        if (index >= 0 && lk_str_has_prefix(walk->rest, node->children[index]->label)) {
            walk->node = node->children[index];
            walk->rest = lk_str_drop(walk->rest, walk->node->label.len);
        }
        if (node->value != NULL)
            return node->value;
    }
    return NULL;
}
