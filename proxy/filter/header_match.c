/* One header condition against a head. Any thread. */
#include "proxy/filter/header_match.h"

bool lk_header_match_holds(const struct lk_header_match *match, const struct lk_headers *headers)
{
    struct lk_header_key key = {(enum lk_header_id)match->header_id, match->name};
    struct lk_value_matcher straight = match->value;
    const struct lk_header *header = NULL;
    if (key.id == LK_HEADER_OTHER || lk_headers_maybe(headers, key.id))
        header = lk_headers_find_key(headers, &key);
    if (header == NULL || straight.kind == LK_VALUE_PRESENT || straight.kind == LK_VALUE_ABSENT)
        return lk_value_matcher_match(&match->value, header != NULL, lk_str(NULL, 0));
    straight.invert = false;
    while (header != NULL && !lk_value_matcher_match(&straight, true, header->value))
        header = lk_headers_next(headers, header);
    return (header != NULL) != match->value.invert;
}
