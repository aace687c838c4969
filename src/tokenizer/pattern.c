#include "tokenizer/pattern.h"

#include "base/memory.h"
#include "tokenizer/pattern_syntax.h"
#include "unicode/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <string.h>

#define MATCH_STEPS 10000000u   /* of one search; the reference's engine ends after as many */
#define MATCH_DEPTH 1000000u    /* of backtracking */
#define MATCH_KIB (64u * 1024u) /* of memory for it */
#define SHOWN_PATTERN 120u      /* bytes of an expression that messages show */

struct SuPattern {
    SuPatternScanner scan;       /* if there is one, the rest is not needed */
    pcre2_code *code;            /* immutable */
    pcre2_match_context *limits; /* immutable */
    bool matches_empty;
    char shown[SHOWN_PATTERN + 1];
};

static void *take(size_t size, void *unused)
{
    (void)unused;
    return su_alloc(size, 1);
}

static void give(void *memory, void *unused)
{
    (void)unused;
    su_free(memory);
}

/* Engine memory comes from base/memory.h. NULL: out of memory. */
static pcre2_general_context *memory_context(void)
{
    return pcre2_general_context_create(take, give, NULL);
}

/* ---- compiling ---- */

static SutraStatus make_limits(SuPattern *pattern, pcre2_general_context *memory)
{
    pattern->limits = pcre2_match_context_create(memory);
    if (!pattern->limits) return SUTRA_E_MEMORY;
    pcre2_set_match_limit(pattern->limits, MATCH_STEPS);
    pcre2_set_depth_limit(pattern->limits, MATCH_DEPTH);
    pcre2_set_heap_limit(pattern->limits, MATCH_KIB);
    return SUTRA_OK;
}

static SutraStatus compile(SuPattern *pattern, const SuByteWriter *syntax, const char *section,
                           const char *where, SutraError *err)
{
    const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK | PCRE2_MULTILINE |
                             PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_BACKSLASH_C;
    int code = PCRE2_ERROR_NOMEMORY;
    size_t at = 0;
    uint32_t empty = 1;
    pcre2_general_context *memory = memory_context();
    pcre2_compile_context *compiling = memory ? pcre2_compile_context_create(memory) : NULL;
    if (!compiling) goto cleanup;
    pcre2_set_newline(compiling, PCRE2_NEWLINE_LF);
    pattern->code = pcre2_compile(syntax->data ? syntax->data : (PCRE2_SPTR) "", syntax->size,
                                  options, &code, &at, compiling);
    if (!pattern->code) {
        /* the engine's codes below 100 are positive */
        if (code == PCRE2_ERROR_HEAP_FAILED) code = PCRE2_ERROR_NOMEMORY;
        goto cleanup;
    }
    code = make_limits(pattern, memory) == SUTRA_OK ? 0 : PCRE2_ERROR_NOMEMORY;
    pcre2_pattern_info(pattern->code, PCRE2_INFO_MATCHEMPTY, &empty);
    pattern->matches_empty = empty;
cleanup:
    pcre2_compile_context_free(compiling);
    pcre2_general_context_free(memory);
    if (code == PCRE2_ERROR_NOMEMORY)
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory for a regular expression", where);
    if (!pattern->code) {
        PCRE2_UCHAR reason[128] = "";
        pcre2_get_error_message(code, reason, sizeof reason);
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: %s.pattern: the regular expression \"%s\" is not supported: %s", where,
                 section, pattern->shown, (const char *)reason);
    }
    return SUTRA_OK;
}

/* As much of the expression as messages show, whole characters. */
static void keep_shown(SuPattern *pattern, const char *text, size_t size)
{
    size_t shown = size < SHOWN_PATTERN ? size : SHOWN_PATTERN;
    while (shown < size && shown > 0 && su_utf8_is_continuation(text[shown])) shown--;
    memcpy(pattern->shown, text, shown);
}

static SutraStatus build(SuPattern *pattern, const char *text, size_t size, const char *section,
                         const char *where, SutraError *err)
{
    SuByteWriter syntax = {0};
    SuSyntaxProblem problem = {0};
    keep_shown(pattern, text, size);
    pattern->scan = su_pattern_scanner(text, size);
    if (pattern->scan) return SUTRA_OK;
    if (size > SU_PATTERN_MAX)
        SU_RAISE(err, SUTRA_E_LIMIT,
                 "%s: %s.pattern: the regular expression \"%s…\" has more than %u bytes", where,
                 section, pattern->shown, SU_PATTERN_MAX);
    SutraStatus status = SUTRA_OK;
    if (!su_pattern_translate(text, size, &syntax, &problem))
        status = su_error_set(err, SUTRA_E_UNSUPPORTED,
                              "%s: %s.pattern: the regular expression \"%s\" is not supported: %s "
                              "at byte %zu",
                              where, section, pattern->shown, problem.what, problem.at);
    else if (syntax.failed)
        status =
            su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory for a regular expression", where);
    else
        status = compile(pattern, &syntax, section, where, err);
    su_byte_writer_free(&syntax);
    return status;
}

SutraStatus su_pattern_create(const char *text, size_t size, const char *section, const char *where,
                              SuPattern **pattern, SutraError *err)
{
    SuPattern *made = su_calloc(1, sizeof *made);
    *pattern = NULL;
    if (!made) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    SutraStatus status = build(made, text, size, section, where, err);
    if (status == SUTRA_OK)
        *pattern = made;
    else
        su_pattern_free(made);
    return status;
}

void su_pattern_free(SuPattern *pattern)
{
    if (!pattern) return;
    pcre2_code_free(pattern->code);
    pcre2_match_context_free(pattern->limits);
    su_free(pattern);
}

SuPatternScanner su_pattern_scanner_of(const SuPattern *pattern) { return pattern->scan; }

bool su_pattern_matches_empty(const SuPattern *pattern) { return pattern->matches_empty; }

/* ---- matching ---- */

static SutraStatus prepare(SuPatternScratch *scratch, SutraError *err)
{
    if (scratch->match) return SUTRA_OK;
    pcre2_general_context *memory = memory_context();
    if (memory) scratch->match = pcre2_match_data_create(1, memory);
    pcre2_general_context_free(memory);
    if (!scratch->match) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a regular expression");
    return SUTRA_OK;
}

void su_pattern_scratch_free(SuPatternScratch *scratch)
{
    pcre2_match_data_free(scratch->match);
    scratch->match = NULL;
}

SuPatternCursor su_pattern_cursor(const SuPattern *pattern, SuPatternScratch *scratch,
                                  const char *text, size_t size)
{
    return (SuPatternCursor){
        .pattern = pattern, .scratch = scratch, .text = text, .size = size, .last = SIZE_MAX};
}

static SutraStatus search(SuPatternCursor *cursor, size_t *begin, size_t *end, bool *found,
                          SutraError *err)
{
    const SuPattern *pattern = cursor->pattern;
    SU_TRY(prepare(cursor->scratch, err));
    pcre2_match_data *match = cursor->scratch->match;
    int code = pcre2_match(pattern->code, (PCRE2_SPTR)cursor->text, cursor->size, cursor->search,
                           PCRE2_NO_UTF_CHECK, match, pattern->limits);
    *found = code >= 0;
    if (code == PCRE2_ERROR_NOMATCH) return SUTRA_OK;
    if (code == PCRE2_ERROR_NOMEMORY)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the regular expression \"%s\"",
                 pattern->shown);
    if (code < 0)
        SU_RAISE(err, SUTRA_E_LIMIT,
                 "the regular expression \"%s\" takes more steps or memory on this text than the "
                 "limits allow (%u steps, %u KiB)",
                 pattern->shown, MATCH_STEPS, MATCH_KIB);
    const size_t *places = pcre2_get_ovector_pointer(match);
    *begin = places[0];
    *end = places[1];
    return SUTRA_OK;
}

SutraStatus su_pattern_next(SuPatternCursor *cursor, size_t *begin, size_t *end, bool *found,
                            SutraError *err)
{
    *found = false;
    while (cursor->search <= cursor->size) {
        if (cursor->pattern->scan) {
            *found = cursor->search < cursor->size;
            if (!*found) return SUTRA_OK;
            *begin = cursor->search;
            *end = cursor->pattern->scan(cursor->text, cursor->size, cursor->search);
        } else {
            SU_TRY(search(cursor, begin, end, found, err));
            if (!*found) break;
        }
        if (*begin < *end || *end != cursor->last) {
            cursor->search = cursor->last = *end;
            return SUTRA_OK;
        }
        size_t step = 1;
        if (cursor->search < cursor->size) su_utf8_decode(cursor->text + cursor->search, &step);
        cursor->search += step;
        *found = false;
    }
    cursor->search = cursor->size + 1;
    return SUTRA_OK;
}
