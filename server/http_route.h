/* http_route.h - which handler a method and a path belong to. Pure. */
#ifndef SU_HTTP_ROUTE_H
#define SU_HTTP_ROUTE_H

#include "http_exchange.h"

typedef struct SuRoute {
    const char *method; /* "GET" answers HEAD too */
    const char
        *pattern; /* "/v1/models"; one that ends with "/{}" takes any rest but an empty one */
    void (*handle)(SuExchange *exchange);
    bool is_open; /* asks for no key */
} SuRoute;

/* Paths that begin with `prefix` get their errors from `write`; the first that fits counts. */
typedef struct SuProblemRoute {
    const char *prefix;
    SuProblemWriter write;
} SuProblemRoute;

typedef struct SuRouteTable {
    const SuRoute *routes; /* [num_routes] */
    size_t num_routes;
    const SuProblemRoute *problems; /* [num_problems], the last one's prefix is "" */
    size_t num_problems;
} SuRouteTable;

enum { SU_ALLOW_MAX = 64 };

/* NULL: none. allow then lists the methods that the path has, for Allow: "" where there is no such
 * path. *rest: what {} stands for. */
const SuRoute *su_route_find(const SuRouteTable *table, SuText method, SuText path, SuText *rest,
                             char allow[SU_ALLOW_MAX]);
SuProblemWriter su_route_problem_writer(const SuRouteTable *table, SuText path);

#endif
