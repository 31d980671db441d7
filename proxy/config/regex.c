/*
 * Regular expressions: RE2's language on PCRE2 with JIT. Compiled on the main thread, used by all workers; match memory
 * is per thread. A run is bounded by match limits; one that hits them is no match and is counted.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "proxy/config/matcher.h"

#include "proxy/base/mem.h"
#include "proxy/config/regex_syntax.h"

#include <pcre2.h>
#include <pthread.h>
#include <stdatomic.h>

#define MATCH_LIMIT 100000
#define HEAP_LIMIT_KB 1024
#define JIT_STACK_MIN ((size_t)32 * 1024)
#define JIT_STACK_MAX ((size_t)256 * 1024)
#define GROUPS_MAX 32

enum { FULL, SEARCH, KINDS };

struct lk_regex {
    struct lk_regex_pattern pattern;
    _Atomic(pcre2_code *) code[KINDS]; /* the whole subject; any part of it: made when first wanted */
};

struct thread_memory {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

static atomic_ullong limit_hits;
static pthread_key_t memory_key;
static pthread_once_t memory_once = PTHREAD_ONCE_INIT;
static _Thread_local struct thread_memory *memory;

static void memory_free(void *arg)
{
    struct thread_memory *old = arg;

    pcre2_match_data_free(old->data);
    pcre2_match_context_free(old->context);
    pcre2_jit_stack_free(old->stack);
    lk_free(old);
}

static void memory_init(void)
{
    if (pthread_key_create(&memory_key, memory_free) != 0)
        lk_panic("no thread key left for regex memory");
}

static struct thread_memory *thread_memory(void)
{
    if (LK_LIKELY(memory != NULL))
        return memory;
    pthread_once(&memory_once, memory_init);
    memory = lk_calloc(1, sizeof(*memory));
    memory->data = pcre2_match_data_create(GROUPS_MAX, NULL);
    memory->context = pcre2_match_context_create(NULL);
    if (memory->data == NULL || memory->context == NULL)
        lk_panic("out of memory for regex matching");
    pcre2_set_match_limit(memory->context, MATCH_LIMIT);
    pcre2_set_depth_limit(memory->context, MATCH_LIMIT);
    pcre2_set_heap_limit(memory->context, HEAP_LIMIT_KB);
    memory->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    pcre2_jit_stack_assign(memory->context, NULL, memory->stack);
    pthread_setspecific(memory_key, memory);
    return memory;
}

static void regex_free(void *arg)
{
    struct lk_regex *regex = arg;

    for (int kind = 0; kind < KINDS; kind++)
        pcre2_code_free(atomic_load_explicit(&regex->code[kind], memory_order_relaxed));
    lk_free(regex->pattern.text);
}

/* RE2's defaults: UTF-8 in which malformed bytes match nothing, $ only at the very end, . without line feed. */
static pcre2_code *compile(const struct lk_regex_pattern *pattern, int kind, struct lk_error *error)
{
    uint32_t options =
        PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX | PCRE2_NEVER_BACKSLASH_C;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    PCRE2_SIZE at = 0;
    int code = 0;

    if (kind == FULL)
        options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NO_AUTO_CAPTURE;
    if (context != NULL)
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_code *out = pcre2_compile((PCRE2_SPTR)pattern->text, pattern->len, options, &code, &at, context);

    pcre2_compile_context_free(context);
    if (out == NULL) {
        PCRE2_UCHAR text[160] = "";

        pcre2_get_error_message(code, text, sizeof(text));
        lk_error_set(error, LK_ERROR_INVALID, "%s", (const char *)text);
        return NULL;
    }
    /* Without JIT (no executable memory allowed) the interpreter serves. */
    (void)pcre2_jit_compile(out, PCRE2_JIT_COMPLETE);
    return out;
}

static struct lk_regex *regex_new(struct lk_arena *arena, struct lk_str pattern, int kind, bool look_ahead,
                                  struct lk_error *error)
{
    struct lk_regex_pattern translated;
    struct lk_error reason;

    if (!lk_regex_translate(pattern, look_ahead, &translated, error)) {
        lk_free(translated.text);
        return NULL;
    }
    pcre2_code *code = compile(&translated, kind, &reason);

    if (code == NULL) {
        lk_error_set(error, LK_ERROR_INVALID, "invalid regex '%.*s': %s", (int)LK_MIN(pattern.len, (size_t)200),
                     pattern.ptr, reason.text);
        lk_free(translated.text);
        return NULL;
    }
    struct lk_regex *regex = lk_arena_zalloc(arena, sizeof(*regex));

    regex->pattern = translated;
    atomic_init(&regex->code[kind], code);
    lk_arena_on_free(arena, regex_free, regex);
    return regex;
}

struct lk_regex *lk_regex_compile(struct lk_arena *arena, struct lk_str pattern, struct lk_error *error)
{
    return regex_new(arena, pattern, FULL, false, error);
}

struct lk_regex *lk_regex_compile_lenient(struct lk_arena *arena, struct lk_str pattern, struct lk_error *error)
{
    return regex_new(arena, pattern, SEARCH, true, error);
}

/* The pattern compiled once already, so only memory can be missing here. */
static const pcre2_code *code_of(const struct lk_regex *regex, int kind)
{
    struct lk_regex *self = (struct lk_regex *)regex;
    pcre2_code *code = atomic_load_explicit(&self->code[kind], memory_order_acquire);
    pcre2_code *expected = NULL;
    struct lk_error error;

    if (LK_LIKELY(code != NULL))
        return code;
    code = compile(&regex->pattern, kind, &error);
    if (code == NULL)
        lk_panic("regex: %s", error.text);
    if (atomic_compare_exchange_strong_explicit(&self->code[kind], &expected, code, memory_order_acq_rel,
                                                memory_order_acquire))
        return code;
    pcre2_code_free(code);
    return expected;
}

/* Number of groups found (at least 1) or 0. */
static unsigned run(const struct lk_regex *regex, int kind, struct lk_str subject, size_t start)
{
    struct thread_memory *mem = thread_memory();
    PCRE2_SPTR text = (PCRE2_SPTR)(subject.ptr != NULL ? subject.ptr : "");
    int rc = pcre2_match(code_of(regex, kind), text, subject.len, start, 0, mem->data, mem->context);

    if (rc > 0)
        return (unsigned)rc;
    if (rc == 0)
        return GROUPS_MAX;
    if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT ||
        rc == PCRE2_ERROR_JIT_STACKLIMIT)
        atomic_fetch_add_explicit(&limit_hits, 1, memory_order_relaxed);
    return 0;
}

bool lk_regex_full_match(const struct lk_regex *regex, struct lk_str subject)
{
    return run(regex, FULL, subject, 0) > 0;
}

bool lk_regex_search(const struct lk_regex *regex, struct lk_str subject)
{
    return run(regex, SEARCH, subject, 0) > 0;
}

static struct lk_str group_at(struct lk_str subject, unsigned index)
{
    const PCRE2_SIZE *spans = pcre2_get_ovector_pointer(memory->data);
    PCRE2_SIZE from = spans[2 * (size_t)index];

    if (from == PCRE2_UNSET)
        return (struct lk_str){NULL, 0};
    return lk_str(subject.ptr + from, spans[2 * (size_t)index + 1] - from);
}

unsigned lk_regex_groups(const struct lk_regex *regex, struct lk_str subject, struct lk_str *groups, unsigned max)
{
    unsigned found = LK_MIN(run(regex, SEARCH, subject, 0), max);

    for (unsigned i = 0; i < found; i++)
        groups[i] = group_at(subject, i);
    return found;
}

bool lk_regex_check_substitution(const struct lk_regex *regex, struct lk_str substitution, struct lk_error *error)
{
    for (size_t i = 0; i < substitution.len; i++) {
        if (substitution.ptr[i] != '\\')
            continue;
        char c = ++i < substitution.len ? substitution.ptr[i] : 0;

        if (c != '\\' && (c < '0' || c > '9'))
            return lk_error_set(error, LK_ERROR_INVALID,
                                "a backslash in a substitution is followed by a digit or a backslash");
        if (c != '\\' && (unsigned)(c - '0') > regex->pattern.groups)
            return lk_error_set(error, LK_ERROR_INVALID, "the substitution wants group %c, the pattern has %u", c,
                                regex->pattern.groups);
    }
    (void)code_of(regex, SEARCH);
    return true;
}

struct text {
    char *ptr;
    size_t len;
    size_t cap;
};

static void text_add(struct text *text, struct lk_str part)
{
    text->ptr = lk_grow(text->ptr, &text->cap, text->len + part.len + 1, 1);
    if (part.ptr != NULL)
        memcpy(text->ptr + text->len, part.ptr, part.len);
    text->len += part.len;
}

static void text_add_substitution(struct text *text, struct lk_str substitution, struct lk_str subject, unsigned found)
{
    for (size_t i = 0; i < substitution.len; i++) {
        if (substitution.ptr[i] != '\\' || i + 1 == substitution.len) {
            text_add(text, lk_str(substitution.ptr + i, 1));
            continue;
        }
        char c = substitution.ptr[++i];

        if (c == '\\')
            text_add(text, LK_STR("\\"));
        else if ((unsigned)(c - '0') < found)
            text_add(text, group_at(subject, (unsigned)(c - '0')));
    }
}

static size_t char_len(struct lk_str subject, size_t at)
{
    size_t len = 1;

    while (at + len < subject.len && ((unsigned char)subject.ptr[at + len] & 0xc0) == 0x80)
        len++;
    return len;
}

/* Every match from the left; an empty match right behind the previous one is skipped, as RE2 does. */
struct lk_str lk_regex_replace(const struct lk_regex *regex, struct lk_arena *arena, struct lk_str subject,
                               struct lk_str substitution)
{
    struct text text = {0};
    size_t at = 0;
    size_t last_end = SIZE_MAX;
    bool changed = false;
    unsigned found;

    while (at <= subject.len && (found = run(regex, SEARCH, subject, at)) > 0) {
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(memory->data);
        size_t from = span[0];
        size_t to = span[1];

        text_add(&text, lk_str(subject.ptr + at, from - at));
        if (from == to && from == last_end) {
            size_t skip = from < subject.len ? char_len(subject, from) : 1;

            if (from < subject.len)
                text_add(&text, lk_str(subject.ptr + from, skip));
            at = from + skip;
            continue;
        }
        text_add_substitution(&text, substitution, subject, found);
        at = last_end = to;
        changed = true;
    }
    if (changed && at < subject.len)
        text_add(&text, lk_str_drop(subject, at));
    struct lk_str out = changed ? lk_arena_str(arena, lk_str(text.ptr, text.len)) : subject;

    lk_free(text.ptr);
    return out;
}

uint64_t lk_regex_limit_hits(void)
{
    return atomic_load_explicit(&limit_hits, memory_order_relaxed);
}
