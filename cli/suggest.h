/* suggest.h - "did you mean": the name closest to what was typed. */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include <stddef.h>

/* Keeps the best of the names offered to it. Start with {.word = …}. */
typedef struct CliSuggestion {
    const char *word, *best;
    size_t distance;
} CliSuggestion;

void cli_suggest(CliSuggestion *suggestion, const char *name);

/* Edits (insert, delete, replace, swap of neighbours) between a and b; long words count as far. */
size_t cli_edit_distance(const char *a, const char *b);

#endif
