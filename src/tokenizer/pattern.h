/* pattern.h - a regular expression of tokenizer.json, and its matches in a text.
 *
 * The reference's engine is Oniguruma in its Ruby syntax. Expressions that are known by their text
 * have scanners (pattern_scan.h); others are written anew for PCRE2 (pattern_syntax.h), with the
 * matches of the reference but for what docs/MODELS.md says. A pattern is immutable: any thread. */
#ifndef SU_PATTERN_H
#define SU_PATTERN_H

#include "base/status.h"
#include "tokenizer/pattern_scan.h"

#include <stdbool.h>

#define SU_PATTERN_MAX 16384u /* bytes of an expression */

typedef struct SuPattern SuPattern;

/* `section` and `where` begin error messages. The text is valid UTF-8, not needed after the call.
 * Errors: FORMAT (no expression), UNSUPPORTED (one whose matches would not be the reference's),
 * LIMIT (too long), MEMORY. */
SutraStatus su_pattern_create(const char *text, size_t size, const char *section, const char *where,
                              SuPattern **pattern, SutraError *err);
void su_pattern_free(SuPattern *pattern);
/* NULL: matches are to be had by cursors alone. */
SuPatternScanner su_pattern_scanner_of(const SuPattern *pattern);
/* A match may be empty. */
bool su_pattern_matches_empty(const SuPattern *pattern);

/* What one thread's searches work in; zero is a valid start. */
typedef struct SuPatternScratch {
    void *match;
} SuPatternScratch;

void su_pattern_scratch_free(SuPatternScratch *scratch);

/* Walks over the matches in a text, which is valid UTF-8. */
typedef struct SuPatternCursor {
    const SuPattern *pattern;
    SuPatternScratch *scratch;
    const char *text;
    size_t size;
    size_t search; /* where the next search begins; > size: there is none */
    size_t last;   /* where the last match ended; SIZE_MAX: there was none */
} SuPatternCursor;

SuPatternCursor su_pattern_cursor(const SuPattern *pattern, SuPatternScratch *scratch,
                                  const char *text, size_t size);
/* The next match, text[*begin, *end), which may be empty; *found is false when there is none. An
 * empty match right behind a match is passed over. Errors: LIMIT (a search takes too many steps, or
 * too much memory), MEMORY. */
SutraStatus su_pattern_next(SuPatternCursor *cursor, size_t *begin, size_t *end, bool *found,
                            SutraError *err);

#endif
