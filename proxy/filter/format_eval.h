/* Evaluates compiled formats (proxy/config/format.h) on a stream. Any worker. */
#pragma once

#include "proxy/config/format.h"
#include "proxy/filter/access_logger.h"

/* Operators that filters register before configuration is loaded: "lane.served" etc. */
typedef struct lk_str (*lk_format_extension_fn)(const struct lk_log_event *event, struct lk_str argument);
void lk_format_register(const char *name, lk_format_extension_fn fn);
/* NULL-terminated names, for lk_format_compile. */
const char *const *lk_format_extension_names(void);

/* Resolves header ids and extensions once; before the first evaluation, main thread. */
void lk_format_prepare(struct lk_format *format);
void lk_json_format_prepare(struct lk_json_format *format);

/* The formatted text in event->arena. An absent value is "-", or empty with omit_empty. */
struct lk_str lk_format_eval(const struct lk_format *format, const struct lk_log_event *event, bool omit_empty);
/* For header values: absent operators give nothing; *any_value tells whether some operator had a value or a literal was
 * there (Envoy drops a header whose value is empty). */
struct lk_str lk_format_eval_header(const struct lk_format *format, const struct lk_log_event *event);
/* One line of JSON (without newline). */
struct lk_str lk_json_format_eval(const struct lk_json_format *format, const struct lk_log_event *event,
                                  bool omit_empty);
/* Envoy's default access-log line. */
extern const char lk_default_log_format[];
