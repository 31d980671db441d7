/*
 * Where the mark of a request's lane travels: one canonical header, a member of W3C baggage, optionally a member of
 * tracestate and an item of sw8-correlation; headers of other systems are read as aliases and never written. Compiled
 * once on the main thread, then used by all workers on their own header blocks; the functions are pure.
 *
 * Flow: the lane filter reads the mark of a request, strips everything when the peer is not trusted or the destination
 * lies outside of the mesh, and writes the resolved mark everywhere at once. On a request without any of these headers
 * reading and stripping cost a look at the block's presence bits (and one pass over it when a configured name is not
 * well known, see header_names.h).
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/config/lane_filter_config.h"
#include "proxy/http/header_set.h"

struct lk_lane_carriers {
    struct lk_header_key header;
    struct lk_str baggage; /* empty: off; the same for the two below */
    struct lk_str tracestate;
    struct lk_str sw8_correlation;
    const struct lk_header_key *aliases;
    size_t alias_count;
    struct lk_header_set names; /* the header and the aliases */
    struct lk_header_set all;   /* every header in which a mark may stand */
};

enum lk_mark_carrier {
    LK_MARK_HEADER,
    LK_MARK_BAGGAGE,
    LK_MARK_TRACESTATE,
    LK_MARK_SW8_CORRELATION,
    LK_MARK_ALIAS,
};

struct lk_mark {
    struct lk_str name;           /* in the block or its arena; empty when not found */
    enum lk_mark_carrier carrier; /* the first, in the order above, that gave the name */
    bool found;
    bool conflict;       /* different names were found: one of a shadow lane stands, others cancel each other */
    bool invalid_shadow; /* a value that is no lane's name, yet begins with "shadow-" in any case: drop the request
                            rather than the mark, if it is to fail closed */
    bool settled;     /* the block is as lk_carriers_write of that name would leave it, but for emit headers; not told
                         of blocks with aliases, nor where tracestate or sw8-correlation are carriers */
    bool stands;      /* some carrier may be in the block; false is certain: there is nothing to strip */
    unsigned invalid; /* values dropped because they are no lane's name */
};

/* The names and keys of the configuration, which outlives the carriers. Mistakes that its decoder cannot see are
 * reported at header and aliases[i]: a name that HTTP, tracing or this proxy give another meaning, one that occurs
 * twice. */
bool lk_carriers_compile(struct lk_lane_carriers *carriers, struct lk_arena *arena,
                         const struct lk_lane_filter_carriers *config, struct lk_errors *errors) LK_MUST_CHECK;
/* Whether the lanes of a table may emit their headers beside these carriers: none in which a mark stands; an alias only
 * with the lane's own name as value, or the next hop would read two different marks. Mistakes are reported at
 * lanes[i].emit_headers["name"]. */
bool lk_carriers_check_table(const struct lk_lane_carriers *carriers, const struct lk_lane_table *table,
                             struct lk_errors *errors) LK_MUST_CHECK;
/* The headers that any lane of the table emits: what lk_carriers_strip and lk_carriers_write remove. The names stay
 * those of the table. */
void lk_carriers_emit_names(struct lk_header_set *names, struct lk_arena *arena, const struct lk_lane_table *table);

/*
 * The one mark of the request. Lines of the header and of aliases may hold lists; every value of every carrier counts
 * and must agree. The same name twice is one mark. Of different names the first of a shadow lane stands (pressure-test
 * traffic must not turn into production traffic), otherwise none does. Empty values and "base" are no marks; upper case
 * is not folded but invalid. The baggage of a CONNECT is not read: it describes the tunnel's ends, not the request.
 */
struct lk_mark lk_carriers_read(const struct lk_lane_carriers *carriers, const struct lk_headers *headers);

/* Removes every carrier (aliases too) and the headers of emit_names, which may be NULL. Members of others stay byte for
 * byte. Returns whether anything was removed. */
bool lk_carriers_strip(const struct lk_lane_carriers *carriers, const struct lk_header_set *emit_names,
                       struct lk_headers *headers);

/*
 * Writes the mark into every configured carrier in place of old ones (unless `seen`, what was read from the block as it
 * is now, says that it stands there already; NULL: look again), and the lane's emit headers in place of those of
 * any lane (emit_names, may be NULL). An alias stays only where it says the same. tracestate needs a valid traceparent,
 * sw8-correlation room for a key; the baggage of a CONNECT is left alone. `name` is a valid name; "base" or nothing
 * strips. Name and emit headers are copied: the lane table may change while the request lives. The configuration of
 * the carriers must outlive the block.
 */
void lk_carriers_write(const struct lk_lane_carriers *carriers, const struct lk_header_set *emit_names,
                       const struct lk_mark *seen, struct lk_str name, const struct lk_lane_header *emit,
                       size_t emit_count, struct lk_headers *headers);
