/* Decoders of matchers: strings, regexes, headers, query parameters. */
#pragma once

#include "proxy/config/matcher.h"
#include "proxy/config/route_config.h"
#include "xds/decode/decoder.h"

#include "envoy/config/route/v3/header_matcher.pb-c.h"
#include "envoy/type/matcher/v3/regex.pb-c.h"
#include "envoy/type/matcher/v3/string.pb-c.h"

/* NULL is a mistake at the field. */
const struct lk_regex *lk_decode_regex(struct lk_decoder *decoder, const char *field,
                                       const Envoy__Type__Matcher__V3__RegexMatcher *in);
/* NULL leaves *out empty. */
void lk_decode_regex_rewrite(struct lk_decoder *decoder, const char *field,
                             const Envoy__Type__Matcher__V3__RegexMatchAndSubstitute *in, struct lk_regex_rewrite *out);
void lk_decode_string_matcher(struct lk_decoder *decoder, const char *field,
                              const Envoy__Type__Matcher__V3__StringMatcher *in, struct lk_string_matcher *out);
/* header_id stays -1: names are resolved where they are used. */
void lk_decode_header_matcher(struct lk_decoder *decoder, const Envoy__Config__Route__V3__HeaderMatcher *in,
                              struct lk_header_match *out);
void lk_decode_header_matchers(struct lk_decoder *decoder, const char *field, size_t count,
                               Envoy__Config__Route__V3__HeaderMatcher *const *in, const struct lk_header_match **out);
void lk_decode_query_matchers(struct lk_decoder *decoder, const char *field, size_t count,
                              Envoy__Config__Route__V3__QueryParameterMatcher *const *in,
                              const struct lk_query_match **out);
/* A copy of a text that becomes part of a header: no line breaks. */
struct lk_str lk_decode_header_text(struct lk_decoder *decoder, const char *field, const char *text);
/* Whether a name can be that of a header (RFC 9110 5.1, or a pseudo-header with pseudo); appends a mistake if not. */
bool lk_decode_header_name_ok(struct lk_decoder *decoder, const char *field, const char *name, bool pseudo);
