#include "suggest.h"

#include <stdint.h>
#include <string.h>

enum { LONGEST = 48 };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

size_t cli_edit_distance(const char *a, const char *b)
{
    size_t rows = strlen(a), columns = strlen(b);
    if (rows > LONGEST || columns > LONGEST) return SIZE_MAX;
    size_t cost[LONGEST + 1][LONGEST + 1]; /* cost[i][j]: first i bytes of a into first j of b */
    for (size_t i = 0; i <= rows; i++) cost[i][0] = i;
    for (size_t j = 0; j <= columns; j++) cost[0][j] = j;
    for (size_t i = 1; i <= rows; i++) {
        for (size_t j = 1; j <= columns; j++) {
            size_t replace = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            size_t change = least(cost[i - 1][j], cost[i][j - 1]) + 1;
            cost[i][j] = least(replace, change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[rows][columns];
}

void cli_suggest(CliSuggestion *suggestion, const char *name)
{
    size_t typed = strlen(suggestion->word);
    size_t distance = cli_edit_distance(suggestion->word, name);
    /* The start of a name is as good as one edit. */
    if (typed >= 2 && strncmp(suggestion->word, name, typed) == 0) distance = least(distance, 1);
    size_t allowed = typed < 3 ? 1 : 1 + typed / 4;
    if (distance > allowed) return;
    if (suggestion->best && distance >= suggestion->distance) return;
    suggestion->best = name;
    suggestion->distance = distance;
}
