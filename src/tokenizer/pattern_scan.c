/* pattern_scan.c - two families of expressions.
 *
 * GPT-2 (pattern_scan.h), and those that came after it, which differ by a Grammar:
 *
 *   contraction        (?i:'s|'t|'re|'ve|'m|'ll|'d), before words or as their end
 *   word               [^\r\n\p{L}\p{N}]? and letters
 *   number             so many \p{N} at most
 *   others             " ?", then neither white space nor letters nor numbers, then line ends
 *   white space        up to the last line end in it; without one all but the last character, which
 *                      is left to the word that follows, if there is a word
 *
 * An alternative is tried where the one before does not match, and gives back characters as a
 * backtracking engine would; the comments say where that matters. */
#include "tokenizer/pattern_scan.h"

#include "unicode/category.h"
#include "unicode/utf8.h"

#include <string.h>

/* ---- classes ---- */

/* Each character is one of the first four; the others are kinds of those. */
enum {
    LETTER = SU_KIND_LETTER,
    NUMBER = SU_KIND_NUMBER,
    SPACE = 1u << 2,
    OTHER = 1u << 3,
    MARK = SU_KIND_MARK, /* an OTHER */
    UPPER = SU_KIND_UPPER,
    LOWER = SU_KIND_LOWER,
    LINE_END = 1u << 7 /* \r and \n: a SPACE */
};

_Static_assert(((LETTER | NUMBER | MARK | UPPER | LOWER) & (SPACE | OTHER | LINE_END)) == 0,
               "the bits of kinds are not those of classes");

#define X OTHER
#define S SPACE
#define E (SPACE | LINE_END)
#define N NUMBER
#define U (LETTER | UPPER)
#define L (LETTER | LOWER)
static const uint8_t ascii_class[128] = {
    X, X, X, X, X, X, X, X, X, S, E, S, S, E, X, X, /* 0x00 */
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, /* 0x10 */
    S, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, /* 0x20 */
    N, N, N, N, N, N, N, N, N, N, X, X, X, X, X, X, /* 0x30 */
    X, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, /* 0x40 */
    U, U, U, U, U, U, U, U, U, U, U, X, X, X, X, X, /* 0x50 */
    X, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* 0x60 */
    L, L, L, L, L, L, L, L, L, L, L, X, X, X, X, X, /* 0x70 */
};
#undef X
#undef S
#undef E
#undef N
#undef U
#undef L

static inline uint8_t class_of(const char *text, size_t *step)
{
    unsigned char byte = (unsigned char)*text;
    if (byte < 0x80) {
        *step = 1;
        return ascii_class[byte];
    }
    uint32_t code_point = su_utf8_decode(text, step);
    uint8_t class = su_unicode_kind(code_point) & (LETTER | NUMBER | MARK | UPPER | LOWER);
    if (class & (LETTER | NUMBER)) return class;
    bool space = su_unicode_properties(code_point) & SU_CP_SPACE;
    return (uint8_t)(class | (space ? SPACE : OTHER));
}

/* Where characters end that are one of `is` and none of `is_not`. */
static inline size_t run_end(const char *text, size_t size, size_t at, uint8_t is, uint8_t is_not)
{
    size_t step;
    for (; at < size; at += step) {
        uint8_t class = class_of(text + at, &step);
        if (!(class & is) || (class & is_not)) break;
    }
    return at;
}

/* ---- GPT-2 ---- */

/* Bytes of the contraction that the text begins with, or 0. */
static size_t contraction(const char *text, size_t size)
{
    if (size < 2 || text[0] != '\'') return 0;
    if (strchr("stmd", text[1]) && text[1]) return 2;
    if (size < 3) return 0;
    bool two = (text[2] == 'e' && (text[1] == 'r' || text[1] == 'v')) ||
               (text[1] == 'l' && text[2] == 'l');
    return two ? 3 : 0;
}

/* White space leaves its last character to the word that follows; with `line_ends`, it ends behind
 * the last of those that it holds. */
static inline size_t space_end(const char *text, size_t size, size_t at, bool line_ends)
{
    size_t last = at, end = at, line_end = 0, step;
    while (end < size) {
        uint8_t class = class_of(text + end, &step);
        if (!(class & SPACE)) break;
        last = end;
        end += step;
        if (class & LINE_END) line_end = end;
    }
    if (line_ends && line_end) return line_end;
    return end == size || last == at ? end : last;
}

size_t su_pattern_scan_gpt2(const char *text, size_t size, size_t at)
{
    const uint8_t kinds = LETTER | NUMBER | OTHER;
    size_t step, length = contraction(text + at, size - at);
    if (length) return at + length;
    size_t begin = at;
    uint8_t class = class_of(text + at, &step);
    if (text[at] == ' ' && at + 1 < size) {
        uint8_t next = class_of(text + at + 1, &step);
        if (next & SPACE) return space_end(text, size, at, false);
        class = next;
        begin = at + 1;
    }
    if (class & SPACE) return space_end(text, size, at, false);
    return run_end(text, size, begin + step, class & kinds, 0);
}

/* ---- those that came after ---- */

typedef struct Grammar {
    bool contraction_first, contraction_last; /* an alternative, or the end of a word */
    bool cased;     /* words go from upper to lower case: cased_word_end */
    bool marks;     /* marks are letters */
    bool slash;     /* '/' is among the line ends that others end in */
    uint8_t digits; /* of a number at most */
} Grammar;

/* The same without regard to case; U+017F is an s. */
static inline size_t folded_contraction(const char *text, size_t size)
{
    if (size < 2 || text[0] != '\'') return 0;
    unsigned char first = (unsigned char)text[1] | 0x20u;
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
    if (size < 3) return 0;
    if (text[1] == '\xc5' && text[2] == '\xbf') return 3;
    unsigned char second = (unsigned char)text[2] | 0x20u;
    bool two = (second == 'e' && (first == 'r' || first == 'v')) || (first == 'l' && second == 'l');
    return two ? 3 : 0;
}

/* [^\r\n\p{L}\p{N}]?U*D+ or else [^\r\n\p{L}\p{N}]?U+D*, where U is [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
 * and D [\p{Ll}\p{Lm}\p{Lo}\p{M}]. Returns `at` where neither matches. */
static inline size_t cased_word_end(const char *text, size_t size, size_t at, uint8_t first,
                                    size_t first_size)
{
    size_t begin = first & (LETTER | NUMBER | LINE_END) ? at : at + first_size;
    size_t end, step, both = 0; /* both: behind the last character of U* that D holds too */
    for (end = begin; end < size; end += step) {
        uint8_t class = class_of(text + end, &step);
        if (!(class & (LETTER | MARK)) || (class & LOWER)) break;
        if (!(class & UPPER)) both = end + step;
    }
    size_t lower = run_end(text, size, end, LETTER | MARK, UPPER);
    if (lower > end) return lower;
    if (both) return both;                          /* U* gives back as much as D+ needs */
    if (begin > at && (first & MARK)) return begin; /* the mark is the word, not what precedes it */
    return end > begin ? end : at;
}

static inline size_t word_end(const Grammar *grammar, const char *text, size_t size, size_t at,
                              uint8_t first, size_t first_size)
{
    const uint8_t letters = grammar->marks ? LETTER | MARK : LETTER;
    if (grammar->cased) {
        size_t end = cased_word_end(text, size, at, first, first_size);
        if (!grammar->contraction_last || end == at) return end;
        return end + folded_contraction(text + end, size - end);
    }
    size_t begin = at + first_size, step;
    if (!(first & letters)) {
        if ((first & (LINE_END | NUMBER)) || begin >= size) return at;
        if (!(class_of(text + begin, &step) & letters)) return at;
        begin += step;
    }
    return run_end(text, size, begin, letters, 0);
}

static inline size_t number_end(const Grammar *grammar, const char *text, size_t size, size_t at)
{
    size_t step;
    for (uint8_t count = 0; at < size && count < grammar->digits; count++, at += step)
        if (!(class_of(text + at, &step) & NUMBER)) break;
    return at;
}

static inline size_t others_end(const Grammar *grammar, const char *text, size_t size, size_t at)
{
    const uint8_t not = grammar->marks ? MARK : 0;
    size_t begin = text[at] == ' ' ? at + 1 : at;
    size_t end = run_end(text, size, begin, OTHER, not );
    if (end == begin) return at;
    while (end < size &&
           (text[end] == '\r' || text[end] == '\n' || (grammar->slash && text[end] == '/')))
        end++;
    return end;
}

static inline size_t match_end(const Grammar *grammar, const char *text, size_t size, size_t at)
{
    size_t step, end;
    if (grammar->contraction_first) {
        end = at + folded_contraction(text + at, size - at);
        if (end > at) return end;
    }
    uint8_t first = class_of(text + at, &step);
    end = word_end(grammar, text, size, at, first, step);
    if (end > at) return end;
    if (first & NUMBER) return number_end(grammar, text, size, at);
    end = others_end(grammar, text, size, at);
    return end > at ? end : space_end(text, size, at, true);
}

static size_t scan_cl100k(const char *text, size_t size, size_t at)
{
    static const Grammar grammar = {.contraction_first = true, .digits = 3};
    return match_end(&grammar, text, size, at);
}

static size_t scan_qwen2(const char *text, size_t size, size_t at)
{
    static const Grammar grammar = {.contraction_first = true, .digits = 1};
    return match_end(&grammar, text, size, at);
}

static size_t scan_qwen35(const char *text, size_t size, size_t at)
{
    static const Grammar grammar = {.contraction_first = true, .marks = true, .digits = 1};
    return match_end(&grammar, text, size, at);
}

static size_t scan_o200k(const char *text, size_t size, size_t at)
{
    static const Grammar grammar = {
        .cased = true, .contraction_last = true, .slash = true, .digits = 3};
    return match_end(&grammar, text, size, at);
}

static size_t scan_tekken(const char *text, size_t size, size_t at)
{
    static const Grammar grammar = {.cased = true, .slash = true, .digits = 1};
    return match_end(&grammar, text, size, at);
}

/* ---- expressions by their text ---- */

#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define PREFIX "[^\\r\\n\\p{L}\\p{N}]?"
#define UPPER_CLASS "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER_CLASS "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define WHITE_SPACE "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define OTHERS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" WHITE_SPACE
#define OTHERS_SLASH "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" WHITE_SPACE

static const struct {
    const char *pattern;
    SuPatternScanner scan;
} known[] = {
    /* GPT-2, RoBERTa, ModernBERT, where it is written out */
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     su_pattern_scan_gpt2},
    /* cl100k_base, Llama 3 */
    {CONTRACTION "|" PREFIX "\\p{L}+|\\p{N}{1,3}" OTHERS, scan_cl100k},
    /* Qwen 2 and 3 */
    {CONTRACTION "|" PREFIX "\\p{L}+|\\p{N}" OTHERS, scan_qwen2},
    /* Qwen 3.5 */
    {CONTRACTION "|" PREFIX
                 "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" WHITE_SPACE,
     scan_qwen35},
    /* o200k_base, Llama 4 */
    {PREFIX UPPER_CLASS "*" LOWER_CLASS "+" CONTRACTION "?|" PREFIX UPPER_CLASS "+" LOWER_CLASS
                        "*" CONTRACTION "?|\\p{N}{1,3}" OTHERS_SLASH,
     scan_o200k},
    /* Mistral's Tekken */
    {PREFIX UPPER_CLASS "*" LOWER_CLASS "+|" PREFIX UPPER_CLASS "+" LOWER_CLASS
                        "*|\\p{N}" OTHERS_SLASH,
     scan_tekken},
};

SuPatternScanner su_pattern_scanner(const char *pattern, size_t size)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].pattern) == size && memcmp(known[i].pattern, pattern, size) == 0)
            return known[i].scan;
    return NULL;
}
