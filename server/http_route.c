#include "http_route.h"

#include <stdio.h>
#include <string.h>

static bool fits(const char *pattern, SuText path, SuText *rest)
{
    size_t size = strlen(pattern);
    *rest = (SuText){0};
    if (size < 2 || strcmp(pattern + size - 2, "{}") != 0) return su_text_is(path, pattern);
    size -= 2;
    if (path.size <= size || memcmp(path.data, pattern, size) != 0) return false;
    *rest = (SuText){path.data + size, path.size - size};
    return true;
}

static void add_method(char allow[SU_ALLOW_MAX], const char *method)
{
    size_t used = strlen(allow);
    bool get = strcmp(method, "GET") == 0;
    snprintf(allow + used, SU_ALLOW_MAX - used, "%s%s%s", used ? ", " : "", method,
             get ? ", HEAD" : "");
}

const SuRoute *su_route_find(const SuRouteTable *table, SuText method, SuText path, SuText *rest,
                             char allow[SU_ALLOW_MAX])
{
    bool is_head = su_text_is(method, "HEAD");
    allow[0] = '\0';
    for (size_t i = 0; i < table->num_routes; i++) {
        const SuRoute *route = &table->routes[i];
        if (!fits(route->pattern, path, rest)) continue;
        if (su_text_is(method, route->method) || (is_head && strcmp(route->method, "GET") == 0))
            return route;
        add_method(allow, route->method);
    }
    return NULL;
}

SuProblemWriter su_route_problem_writer(const SuRouteTable *table, SuText path)
{
    for (size_t i = 0; i + 1 < table->num_problems; i++) {
        size_t size = strlen(table->problems[i].prefix);
        if (path.size >= size && memcmp(path.data, table->problems[i].prefix, size) == 0)
            return table->problems[i].write;
    }
    return table->problems[table->num_problems - 1].write;
}
