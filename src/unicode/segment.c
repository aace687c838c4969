#include "unicode/segment.h"

#include "unicode/segment_tables.h"
#include "unicode/utf8.h"

/* The values of the table. */
enum {
    G_OTHER,
    G_CR,
    G_LF,
    G_CONTROL,
    G_EXTEND,
    G_ZWJ,
    G_FLAG,
    G_PREPEND,
    G_SPACING,
    G_L,
    G_V,
    G_T,
    G_LV,
    G_LVT
};
enum {
    W_OTHER,
    W_CR,
    W_LF,
    W_NEWLINE,
    W_EXTEND,
    W_ZWJ,
    W_FLAG,
    W_FORMAT,
    W_KATAKANA,
    W_HEBREW,
    W_LETTER,
    W_QUOTE,
    W_DOUBLE_QUOTE,
    W_MID_NUM_LET,
    W_MID_LETTER,
    W_MID_NUM,
    W_NUMERIC,
    W_EXTEND_NUM_LET,
    W_SPACE
};
enum {
    S_OTHER,
    S_CR,
    S_LF,
    S_EXTEND,
    S_SEP,
    S_FORMAT,
    S_SP,
    S_LOWER,
    S_UPPER,
    S_LETTER,
    S_NUMERIC,
    S_ATERM,
    S_CONTINUE,
    S_STERM,
    S_CLOSE
};

/* SuSegmenter.term: what of "SATerm Close* Sp*" lies before. */
enum { NO_TERM, TERM, TERM_CLOSE, TERM_SPACE, IS_ATERM = 4 };

static uint8_t class_of(uint32_t c)
{
    return su_segment_blocks[(uint32_t)su_segment_index[c >> 7] << 7 | (c & 127)];
}

#define IN(value, set) ((set) >> (value)&1u)
#define BIT(value) (1u << (value))

/* ---- clusters ---- */

static bool joins_cluster(const SuSegmenter *s, const SuSegmentClass *c)
{
    /* Classes that stay with the one before them (GB6 to GB8). */
    static const uint16_t syllables[] = {[G_L] = BIT(G_L) | BIT(G_V) | BIT(G_LV) | BIT(G_LVT),
                                         [G_V] = BIT(G_V) | BIT(G_T),
                                         [G_LV] = BIT(G_V) | BIT(G_T),
                                         [G_T] = BIT(G_T),
                                         [G_LVT] = BIT(G_T)};
    const uint32_t controls = BIT(G_CR) | BIT(G_LF) | BIT(G_CONTROL);
    if (s->cluster == G_CR && c->cluster == G_LF) return true;
    if (IN(s->cluster, controls) || IN(c->cluster, controls)) return false;
    if (IN(c->cluster, BIT(G_EXTEND) | BIT(G_ZWJ) | BIT(G_SPACING) | syllables[s->cluster]))
        return true;
    return s->cluster == G_PREPEND || (c->pictographic && s->joined_pictographs) ||
           (c->cluster == G_FLAG && s->odd_flags);
}

static void step_cluster(SuSegmenter *s, const SuSegmentClass *c)
{
    s->joined_pictographs = s->pictographs && c->cluster == G_ZWJ;
    s->pictographs = c->pictographic || (s->pictographs && c->cluster == G_EXTEND);
    s->odd_flags = c->cluster == G_FLAG && !s->odd_flags;
    s->cluster = c->cluster;
}

/* ---- words ---- */

enum {
    LETTERS = BIT(W_HEBREW) | BIT(W_LETTER),
    MID_LETTERS = BIT(W_MID_LETTER) | BIT(W_MID_NUM_LET) | BIT(W_QUOTE),
    MID_NUMBERS = BIT(W_MID_NUM) | BIT(W_MID_NUM_LET) | BIT(W_QUOTE),
    NEWLINES = BIT(W_CR) | BIT(W_LF) | BIT(W_NEWLINE),
    IGNORED = BIT(W_EXTEND) | BIT(W_FORMAT) | BIT(W_ZWJ)
};

/* The word class of what follows `at`, without what WB4 ignores; W_OTHER at the end. */
static uint8_t word_after(const SuSegmenter *s, size_t at)
{
    size_t size;
    for (; at < s->size; at += size) {
        uint8_t word = su_segment_classes[class_of(su_utf8_decode(s->text + at, &size))].word;
        if (!IN(word, IGNORED)) return word;
    }
    return W_OTHER;
}

/* Rules that look two classes ahead or behind (WB6, WB7, WB7b, WB7c, WB11, WB12). */
static bool joins_around_a_mark(const SuSegmenter *s, uint8_t word, size_t end)
{
    if (IN(s->word, LETTERS) && IN(word, MID_LETTERS)) {
        if (IN(word_after(s, end), LETTERS)) return true;
        return s->word == W_HEBREW && word == W_QUOTE;
    }
    if (s->word == W_HEBREW && word == W_DOUBLE_QUOTE) return word_after(s, end) == W_HEBREW;
    if (s->word == W_NUMERIC && IN(word, MID_NUMBERS)) return word_after(s, end) == W_NUMERIC;
    if (IN(s->word_before, LETTERS) && IN(s->word, MID_LETTERS) && IN(word, LETTERS)) return true;
    if (s->word_before == W_HEBREW && s->word == W_DOUBLE_QUOTE && word == W_HEBREW) return true;
    return s->word_before == W_NUMERIC && IN(s->word, MID_NUMBERS) && word == W_NUMERIC;
}

static bool joins_word(const SuSegmenter *s, const SuSegmentClass *c, bool space_before, size_t end)
{
    const uint32_t written = LETTERS | BIT(W_NUMERIC);
    uint8_t before = s->word, word = c->word;
    if (before == W_CR && word == W_LF) return true;
    if (IN(before, NEWLINES) || IN(word, NEWLINES)) return false;
    if (s->zwj && c->pictographic) return true;
    if (space_before && word == W_SPACE) return true;
    if (IN(word, IGNORED)) return true;
    if (IN(before, written) && IN(word, written)) return true;
    if (before == W_KATAKANA && word == W_KATAKANA) return true;
    if (IN(before, written | BIT(W_KATAKANA) | BIT(W_EXTEND_NUM_LET)) && word == W_EXTEND_NUM_LET)
        return true;
    if (before == W_EXTEND_NUM_LET && IN(word, written | BIT(W_KATAKANA))) return true;
    if (before == W_FLAG && word == W_FLAG && s->odd_word_flags) return true;
    return joins_around_a_mark(s, word, end);
}

/* What WB4 ignores leaves the class as it is, but after a newline or at the start. */
static void step_word(SuSegmenter *s, const SuSegmentClass *c)
{
    s->zwj = c->word == W_ZWJ;
    if (IN(c->word, IGNORED) && s->started && !IN(s->word, NEWLINES)) return;
    s->odd_word_flags = c->word == W_FLAG && !s->odd_word_flags;
    s->word_before = s->word;
    s->word = c->word;
}

/* ---- sentences ---- */

enum {
    BREAKS = BIT(S_CR) | BIT(S_LF) | BIT(S_SEP),
    TERMS = BIT(S_ATERM) | BIT(S_STERM),
    SENTENCE_IGNORED = BIT(S_EXTEND) | BIT(S_FORMAT)
};

/* SB8: whether the next of these classes is a lower-case letter. */
static bool goes_on_in_lower_case(const SuSegmenter *s, size_t at)
{
    const uint32_t deciding = BIT(S_LETTER) | BIT(S_UPPER) | BIT(S_LOWER) | BREAKS | TERMS;
    size_t size;
    for (; at < s->size; at += size) {
        uint8_t class = su_segment_classes[class_of(su_utf8_decode(s->text + at, &size))].sentence;
        if (IN(class, deciding)) return class == S_LOWER;
    }
    return false;
}

static bool joins_sentence(const SuSegmenter *s, uint8_t class, size_t begin)
{
    const uint32_t cased = BIT(S_UPPER) | BIT(S_LOWER);
    unsigned phase = s->term & ~(unsigned)IS_ATERM;
    if (s->sentence == S_CR && class == S_LF) return true;
    if (IN(s->sentence, BREAKS)) return false;
    if (IN(class, SENTENCE_IGNORED) || phase == NO_TERM) return true;
    if (IN(class, BIT(S_CONTINUE) | TERMS)) return true;
    if (IN(class, BIT(S_SP) | BREAKS)) return true;
    if (class == S_CLOSE && phase != TERM_SPACE) return true;
    if (!(s->term & IS_ATERM)) return false;
    if (phase == TERM && class == S_NUMERIC) return true;
    if (phase == TERM && class == S_UPPER && IN(s->sentence_before, cased)) return true;
    return goes_on_in_lower_case(s, begin);
}

static void step_sentence(SuSegmenter *s, uint8_t class)
{
    unsigned phase = s->term & ~(unsigned)IS_ATERM, kind = s->term & IS_ATERM;
    if (IN(class, SENTENCE_IGNORED) && s->started && !IN(s->sentence, BREAKS)) return;
    if (IN(class, TERMS))
        s->term = TERM | (class == S_ATERM ? IS_ATERM : 0);
    else if (class == S_CLOSE && (phase == TERM || phase == TERM_CLOSE))
        s->term = (uint8_t)(TERM_CLOSE | kind);
    else if (class == S_SP && phase != NO_TERM)
        s->term = (uint8_t)(TERM_SPACE | kind);
    else
        s->term = NO_TERM;
    s->sentence_before = s->sentence;
    s->sentence = class;
}

/* ---- paragraphs ---- */

/* A paragraph ends with the line break after a line of blanks, and with U+2029. */
static void step_paragraph(SuSegmenter *s, uint8_t class, uint32_t code_point)
{
    bool ends_line = IN(class, BREAKS);
    bool rest_of_break = class == S_LF && s->sentence == S_CR;
    if (ends_line && !rest_of_break) {
        s->paragraph_ended = s->line_blank || code_point == 0x2029;
        s->line_blank = true;
    } else if (!ends_line) {
        s->paragraph_ended = false;
        if (class != S_SP) s->line_blank = false;
    }
}

/* ---- the text ---- */

/* Two lower-case letters: one more changes nothing. */
static bool is_settled(const SuSegmenter *s, const SuSegmentClass *c)
{
    return c->cluster == G_OTHER && !c->pictographic && s->word == W_LETTER &&
           s->word_before == W_LETTER && s->sentence == S_LOWER && s->sentence_before == S_LOWER;
}

void su_segmenter_start(SuSegmenter *segmenter, const char *text, size_t size)
{
    *segmenter = (SuSegmenter){.text = text, .size = size};
}

bool su_segmenter_next(SuSegmenter *s, SuSegmentStep *step)
{
    if (s->at >= s->size) return false;
    size_t length;
    uint32_t code_point = su_utf8_decode(s->text + s->at, &length);
    uint8_t number = class_of(code_point);
    const SuSegmentClass *c = &su_segment_classes[number];
    bool space_before = s->started && s->cluster == G_OTHER && s->word == W_SPACE;
    *step = (SuSegmentStep){.begin = s->at,
                            .end = s->at + length,
                            .blank = IN(c->sentence, BREAKS | BIT(S_SP)),
                            .clinging = IN(c->sentence, TERMS | BIT(S_CONTINUE))};
    s->at += length;
    /* Most text: a letter like the one before it. */
    step->boundaries = SU_BOUNDARY_CLUSTER;
    if (s->letters && s->letters == number + 1u) return true;
    if (!s->started) {
        step->boundaries = SU_BOUNDARY_CLUSTER | SU_BOUNDARY_WORD | SU_BOUNDARY_SENTENCE;
    } else if (joins_cluster(s, c)) {
        step->boundaries = 0;
    } else {
        if (!joins_word(s, c, space_before, step->end)) step->boundaries |= SU_BOUNDARY_WORD;
        if (!joins_sentence(s, c->sentence, step->begin)) step->boundaries |= SU_BOUNDARY_SENTENCE;
        if (s->paragraph_ended) step->boundaries |= SU_BOUNDARY_PARAGRAPH;
    }
    step_paragraph(s, c->sentence, code_point);
    step_cluster(s, c);
    step_word(s, c);
    step_sentence(s, c->sentence);
    s->started = true;
    s->letters = is_settled(s, c) && c->word == W_LETTER ? (uint8_t)(number + 1) : 0;
    return true;
}
