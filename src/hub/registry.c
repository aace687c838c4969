/* registry.c - finding a model by name, and names that are nearly right. */
#include "hub/registry.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_COMPARED 64u /* longer names resemble nothing */
#define MAX_SUGGESTIONS 3u

size_t sutra_registry_count(void) { return su_registry_size; }

const SutraRegistryModel *sutra_registry_at(size_t index)
{
    return index < su_registry_size ? &su_registry_models[index] : NULL;
}

const SutraRegistryModel *sutra_registry_find(const char *name)
{
    for (size_t i = 0; name && i < su_registry_size; i++) {
        const SutraRegistryModel *model = &su_registry_models[i];
        if (!strcasecmp(name, model->name) || !strcasecmp(name, model->repo)) return model;
    }
    return NULL;
}

/* Letters and digits of `name` in lower case: what is left when punctuation is forgotten. */
static size_t fold_name(const char *name, char folded[NAME_MAX_COMPARED + 1])
{
    size_t size = 0;
    for (; *name && size < NAME_MAX_COMPARED; name++)
        if (isalnum((unsigned char)*name)) folded[size++] = (char)tolower((unsigned char)*name);
    folded[size] = '\0';
    return size;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* How far `wanted` is from `known`: insertions, deletions, substitutions and swaps of neighbours
 * (the restricted Damerau-Levenshtein distance, row by row) that make it a beginning of `known`,
 * and a quarter for each character that `known` goes on with. */
static unsigned edit_distance(const char *wanted, size_t nw, const char *known, size_t nk,
                              unsigned *edits)
{
    unsigned rows[3][NAME_MAX_COMPARED + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= nk; j++) above[j] = before[j] = (unsigned)j;
    for (size_t i = 1; i <= nw; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= nk; j++) {
            bool same = wanted[i - 1] == known[j - 1];
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + !same);
            if (i > 1 && j > 1 && wanted[i - 1] == known[j - 2] && wanted[i - 2] == known[j - 1] &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        unsigned *oldest = before;
        before = above, above = row, row = oldest;
    }
    unsigned best = UINT32_MAX;
    for (size_t j = 0; j <= nk; j++) {
        unsigned distance = 4 * above[j] + (unsigned)(nk - j);
        if (distance >= best) continue;
        best = distance;
        *edits = above[j];
    }
    return best;
}

/* 0: the same but for punctuation and case; UINT32_MAX: not alike. A part of a known name
 * ("minilm") counts by what it leaves out. */
static unsigned name_distance(const char *wanted, const char *known)
{
    char a[NAME_MAX_COMPARED + 1], b[NAME_MAX_COMPARED + 1];
    size_t na = fold_name(wanted, a), nb = fold_name(known, b);
    unsigned edits = 0, allowed = na < 5 ? 1 : na < 9 ? 2 : (unsigned)na / 4;
    if (na < 3) return UINT32_MAX;
    if (strstr(b, a)) return (unsigned)(nb - na);
    unsigned distance = edit_distance(a, na, b, nb, &edits);
    return edits <= allowed ? distance : UINT32_MAX;
}

size_t sutra_registry_suggest(const char *name, const char **names, size_t capacity)
{
    const char *slash = strrchr(name, '/');
    const char *wanted = slash ? slash + 1 : name;
    unsigned distances[MAX_SUGGESTIONS];
    size_t count = 0;
    if (strlen(wanted) > NAME_MAX_COMPARED) return 0;
    if (capacity > MAX_SUGGESTIONS) capacity = MAX_SUGGESTIONS;
    for (size_t i = 0; i < su_registry_size; i++) {
        unsigned distance = name_distance(wanted, su_registry_models[i].name);
        size_t at = count;
        while (at > 0 && distances[at - 1] > distance) at--;
        if (distance == UINT32_MAX || at >= capacity) continue;
        if (count < capacity) count++;
        for (size_t j = count - 1; j > at; j--)
            names[j] = names[j - 1], distances[j] = distances[j - 1];
        names[at] = su_registry_models[i].name, distances[at] = distance;
    }
    return count;
}

void su_registry_did_you_mean(const char *name, char *text, size_t capacity)
{
    const char *names[MAX_SUGGESTIONS];
    size_t count = sutra_registry_suggest(name, names, MAX_SUGGESTIONS);
    size_t used = strlen(text);
    for (size_t i = 0; i < count && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, "%s%s%s",
                                 i ? ", " : "; did you mean ", names[i], i + 1 == count ? "?" : "");
}

static bool half_is_valid(const char *half, size_t size)
{
    if (size == 0 || size > 96 || strchr("-.", half[0]) || strchr("-.", half[size - 1]))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)half[i]) && !strchr("-_.", half[i])) return false;
        if (i > 0 && half[i] == half[i - 1] && strchr("-.", half[i])) return false;
    }
    return true;
}

bool su_repo_is_valid(const char *repo)
{
    const char *slash = strchr(repo, '/');
    return slash && half_is_valid(repo, (size_t)(slash - repo)) &&
           half_is_valid(slash + 1, strlen(slash + 1));
}

SutraStatus su_registry_unknown(const char *name, SutraError *err)
{
    char hint[256] = "";
    su_registry_did_you_mean(name, hint, sizeof hint);
    SU_RAISE(err, SUTRA_E_ARGUMENT,
             "%.120s: not a model name; give a name that `sutra list` knows or a hub repository "
             "as org/name%s",
             name, hint);
}

SutraStatus sutra_registry_resolve(const char *name, char *repo, size_t capacity, SutraError *err)
{
    if (!name || !repo) SU_RAISE(err, SUTRA_E_ARGUMENT, "name, repo: must not be NULL");
    const SutraRegistryModel *model = sutra_registry_find(name);
    const char *found = model ? model->repo : name;
    if (!model && !su_repo_is_valid(name)) return su_registry_unknown(name, err);
    if (strlen(found) >= capacity)
        SU_RAISE(err, SUTRA_E_LIMIT, "%.120s: longer than %zu bytes", found, capacity);
    memcpy(repo, found, strlen(found) + 1);
    return SUTRA_OK;
}
