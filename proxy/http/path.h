/* Request targets: RFC 3986 normalisation and the pieces a router needs. Pure functions. */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/str.h"

#include <stdbool.h>

enum lk_escaped_slash_action { /* http_connection_manager PathWithEscapedSlashesAction */
                               LK_SLASH_KEEP,
                               LK_SLASH_REJECT,
                               LK_SLASH_UNESCAPE_REDIRECT,
                               LK_SLASH_UNESCAPE_FORWARD,
};
enum lk_path_result { LK_PATH_OK, LK_PATH_CHANGED, LK_PATH_REDIRECT, LK_PATH_REJECT };

/* Applies normalize_path, merge_slashes and path_with_escaped_slashes_action, in Envoy's order. *out is the new path
 * with query (in the arena) for CHANGED and REDIRECT. */
enum lk_path_result lk_path_normalize(struct lk_arena *arena, struct lk_str path, bool normalize, bool merge_slashes,
                                      enum lk_escaped_slash_action action, struct lk_str *out);
/* "/a/b?x=1#f" -> path "/a/b", query "x=1" (without fragment). */
struct lk_str lk_path_only(struct lk_str path);
struct lk_str lk_path_query(struct lk_str path);
/* Value of the first query parameter `name`, undecoded; false when absent. Present without '=': empty value. */
bool lk_query_get(struct lk_str query, struct lk_str name, struct lk_str *value);
/* "example.com:8080" -> host "example.com" and port text "8080" (empty if none); IPv6 literals keep their brackets. */
void lk_host_split(struct lk_str authority, struct lk_str *host, struct lk_str *port);
/* Percent-decoding into the arena; invalid escapes are kept as they are. */
struct lk_str lk_percent_decode(struct lk_arena *arena, struct lk_str s);
/* Percent-encodes control and non-ASCII bytes and those in `also`. */
struct lk_str lk_percent_encode(struct lk_arena *arena, struct lk_str s, const char *also);
