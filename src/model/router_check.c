/* router_check.c - what a Router of sentence-transformers (Asym by its older name) holds, for the
 * line that refuses it:
 *
 *   router_config.json, or config.json, of its folder
 *       {"types": {"query_0_Dense": "sentence_transformers.….Dense", …},
 *        "structure": {"query": ["query_0_Dense"], "document": […]}, …}
 *
 * Each text would take the modules of the route that its task names. */
#include "base/memory.h"
#include "model/model_parts.h"

#include <string.h>

#define MAX_LISTED 240u /* bytes of the list of routes */

typedef struct Listing {
    char text[MAX_LISTED + 1];
    size_t size;
    bool cut; /* what did not fit is left out */
} Listing;

static void append(Listing *listing, const char *text)
{
    size_t size = strlen(text);
    listing->cut |= size > MAX_LISTED - listing->size;
    if (listing->cut) return;
    memcpy(listing->text + listing->size, text, size + 1);
    listing->size += size;
}

/* The last part of the module's type; "?" where there is none. */
static const char *module_name(const json_t *types, const json_t *id)
{
    const char *key = json_string_value(id);
    const char *type = key ? json_string_value(json_object_get(types, key)) : NULL;
    const char *name = type ? strrchr(type, '.') : NULL;
    return name ? name + 1 : "?";
}

/* "query (Dense), document (Dense, Normalize)" */
static void list_routes(const json_t *config, Listing *listing)
{
    const char *route;
    json_t *modules;
    json_object_foreach(json_object_get(config, "structure"), route, modules)
    {
        if (listing->size) append(listing, ", ");
        append(listing, route);
        append(listing, " (");
        for (size_t i = 0; i < json_array_size(modules); i++) {
            if (i > 0) append(listing, ", ");
            append(listing,
                   module_name(json_object_get(config, "types"), json_array_get(modules, i)));
        }
        append(listing, ")");
    }
}

static SutraStatus read_routes(const char *folder, Listing *listing, SutraError *err)
{
    static const char *const names[] = {"router_config.json", "config.json"};
    SutraStatus status = SUTRA_OK;
    for (size_t i = 0; i < 2 && !listing->size && status == SUTRA_OK; i++) {
        SuConfigFile file;
        status = su_config_file_open(folder, names[i], &file, err);
        if (status == SUTRA_OK) list_routes(file.root, listing);
        if (status == SUTRA_OK) su_config_file_close(&file);
    }
    return status;
}

SutraStatus su_model_refuse_router(const char *folder, const json_t *module, const char *where,
                                   SutraError *err)
{
    const char *path = json_string_value(json_object_get(module, "path"));
    char *router;
    Listing listing = {0};
    SU_TRY(su_model_module_folder(folder, path ? path : "", where, &router, err));
    SutraStatus status = read_routes(router, &listing, err);
    su_free(router);
    if (status != SUTRA_OK) return status;
    SU_RAISE(err, SUTRA_E_UNSUPPORTED,
             "%s: a Router is not supported%s%s%s; save each of its routes as a model of its own",
             where, listing.size ? ": it has the routes " : "", listing.text,
             listing.cut ? "…" : "");
}
