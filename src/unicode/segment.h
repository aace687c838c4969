/* segment.h - where a text may be cut: boundaries of extended grapheme clusters, words and
 * sentences (Unicode Standard Annex 29, version 15.0), and of paragraphs, which blank lines and
 * U+2029 end.
 *
 * A segmenter goes through a text code point by code point. What lies before its start, and past
 * the size it is given, counts for nothing. */
#ifndef SU_SEGMENT_H
#define SU_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Boundaries of words, sentences and paragraphs are boundaries of clusters. */
enum {
    SU_BOUNDARY_CLUSTER = 1u << 0,
    SU_BOUNDARY_WORD = 1u << 1,
    SU_BOUNDARY_SENTENCE = 1u << 2,
    SU_BOUNDARY_PARAGRAPH = 1u << 3
};

/* A code point in the text. */
typedef struct SuSegmentStep {
    size_t begin, end;   /* its bytes */
    unsigned boundaries; /* before it: SU_BOUNDARY_…; at the start all but paragraphs */
    bool blank;          /* White_Space */
    bool clinging; /* ends or goes on a sentence, like "." or ",": part of what is before it */
} SuSegmentStep;

typedef struct SuSegmenter {
    const char *text;
    size_t size, at;
    bool started;
    uint8_t letters; /* 1 + the class of the last code points where one more changes nothing */
    uint8_t cluster, word, word_before, sentence, sentence_before, term;
    bool zwj, odd_flags, odd_word_flags, pictographs, joined_pictographs;
    bool line_blank, paragraph_ended;
} SuSegmenter;

/* text [size] is valid UTF-8, borrowed. */
void su_segmenter_start(SuSegmenter *segmenter, const char *text, size_t size);

/* False: the text is at its end. */
bool su_segmenter_next(SuSegmenter *segmenter, SuSegmentStep *step);

#endif
