/* A rehearsal from the listener to the terminal filter, for POST /explain. See proxy/filter/explain.h. */
#pragma once

#include "proxy/filter/explain.h"
#include "proxy/server/explain_request.h"
#include "proxy/server/server.h"

/* On the worker's thread; one rehearsal at a time in the process. Fills explain's decisions and result. */
void lk_explain_run(struct lk_worker *worker, const struct lk_explain_request *request, struct lk_explain *explain);
