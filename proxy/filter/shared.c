/* Objects that survive configuration versions, by key. Main thread. */
#include "proxy/base/list.h"
#include "proxy/base/mem.h"
#include "proxy/filter/filter_context.h"

#include <string.h>

struct entry {
    struct lk_list node;
    char *key;
    void *object;
    void (*drop)(void *object);
    unsigned refs;
};

static struct lk_list entries = {&entries, &entries};

void *lk_shared_ref(const char *key, void *(*make)(void *arg), void *arg, void (*drop)(void *object))
{
    LK_LIST_FOREACH(node, &entries)
    {
        struct entry *entry = LK_LIST_ENTRY(node, struct entry, node);
        if (strcmp(entry->key, key) == 0) {
            entry->refs++;
            return entry->object;
        }
    }
    struct entry *entry = lk_calloc(1, sizeof(*entry));
    entry->key = lk_strdup(key);
    entry->object = make(arg);
    entry->drop = drop;
    entry->refs = 1;
    lk_list_push_back(&entries, &entry->node);
    return entry->object;
}

void *lk_shared_find(const char *key)
{
    LK_LIST_FOREACH(node, &entries)
    {
        struct entry *entry = LK_LIST_ENTRY(node, struct entry, node);
        if (strcmp(entry->key, key) == 0)
            return entry->object;
    }
    return NULL;
}

void lk_shared_unref(void *object)
{
    LK_LIST_FOREACH(node, &entries)
    {
        struct entry *entry = LK_LIST_ENTRY(node, struct entry, node);
        if (entry->object != object)
            continue;
        if (--entry->refs == 0) {
            lk_list_remove(&entry->node);
            entry->drop(object);
            lk_free(entry->key);
            lk_free(entry);
        }
        return;
    }
}
