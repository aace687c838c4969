/* pre_tokenizer.h - the pre_tokenizer section of tokenizer.json: normalised text to words.
 *
 * A list of steps, each of which cuts every piece that the step before left:
 *   BertPreTokenizer   white space ends words and is dropped; each punctuation character is one
 *   ByteLevel          GPT-2's pattern (use_regex), then bytes as characters (byte_alphabet.h)
 *   Whitespace         runs of \w, and of what is neither \w nor white space
 *   WhitespaceSplit    runs of what is no white space
 *   Punctuation        at punctuation
 *   Digits             at numeric characters
 *   Metaspace          ' ' becomes the replacement, at which it cuts
 *   Split              at a string, or a regular expression
 *   CharDelimiterSplit at a character, which is dropped: a Split
 *   UnicodeScripts     where another script begins
 *   FixedLength        so many characters each */
#ifndef SU_PRE_TOKENIZER_H
#define SU_PRE_TOKENIZER_H

#include "base/json_file.h"
#include "tokenizer/pattern.h"
#include "tokenizer/text_buffer.h"

#define SU_MAX_STEPS 32u

typedef enum SuPreTokenizerKind {
    SU_PRE_TOKENIZER_BERT = 0,
    SU_PRE_TOKENIZER_BYTE_LEVEL,
    SU_PRE_TOKENIZER_WHITESPACE,
    SU_PRE_TOKENIZER_WHITESPACE_SPLIT,
    SU_PRE_TOKENIZER_PUNCTUATION,
    SU_PRE_TOKENIZER_DIGITS,
    SU_PRE_TOKENIZER_METASPACE,
    SU_PRE_TOKENIZER_SPLIT,
    SU_PRE_TOKENIZER_SCRIPTS,
    SU_PRE_TOKENIZER_FIXED_LENGTH,
    SU_NUM_PRE_TOKENIZERS
} SuPreTokenizerKind;

/* What becomes of a match, between what is none. */
typedef enum SuSplitBehavior {
    SU_SPLIT_REMOVED = 0,
    SU_SPLIT_ISOLATED,
    SU_SPLIT_MERGED_WITH_PREVIOUS,
    SU_SPLIT_MERGED_WITH_NEXT,
    SU_SPLIT_CONTIGUOUS,
    SU_NUM_SPLITS
} SuSplitBehavior;

/* Where Metaspace puts its replacement in front of a piece. */
typedef enum SuPrependScheme {
    SU_PREPEND_NEVER = 0,
    SU_PREPEND_ALWAYS,
    SU_PREPEND_FIRST, /* of the text */
    SU_NUM_PREPENDS
} SuPrependScheme;

typedef struct SuPreTokenizerStep {
    SuPreTokenizerKind kind;
    SuSplitBehavior behavior;
    SuPrependScheme prepend; /* of METASPACE */
    bool whole;              /* nothing is cut: BYTE_LEVEL, METASPACE */
    bool add_prefix_space;   /* of BYTE_LEVEL */
    bool invert;             /* of SPLIT: matches are what is between matches */
    char *pattern;           /* [pattern_size] of SPLIT; METASPACE: the replacement */
    size_t pattern_size;
    SuPattern *expression; /* of SPLIT: what the pattern is, if it is a regular expression */
    SuPatternScanner scan; /* of the expression, if it has one */
    uint32_t length;       /* of FIXED_LENGTH: characters */
} SuPreTokenizerStep;

/* Without steps the whole text is one word. */
typedef struct SuPreTokenizer {
    SuPreTokenizerStep *steps; /* [count] */
    size_t count;
    bool keep_bytes; /* ByteLevel, which is last, leaves bytes as they are: the model takes them */
    bool needs_source; /* words depend on where they lie */
    bool moves;        /* words, before a step that depends on that */
} SuPreTokenizer;

/* json may be NULL (no steps). To be freed whatever is returned. Errors: FORMAT, UNSUPPORTED,
 * LIMIT, MEMORY. */
SutraStatus su_pre_tokenizer_from_json(const json_t *json, const char *where,
                                       SuPreTokenizer *pre_tokenizer, SutraError *err);
/* Adds a copy of the step and of its text, and takes over its expression, also when it fails.
 * Errors: MEMORY. */
SutraStatus su_pre_tokenizer_add(SuPreTokenizer *pre_tokenizer, const SuPreTokenizerStep *step,
                                 SutraError *err);
void su_pre_tokenizer_free(SuPreTokenizer *pre_tokenizer);
/* BertPreTokenizer alone. */
bool su_pre_tokenizer_is_bert(const SuPreTokenizer *pre_tokenizer);
bool su_pre_tokenizer_ends_in_bytes(const SuPreTokenizer *pre_tokenizer);

/* Texts that steps make, in buffers that only grow. */
typedef struct SuPreTokenizerScratch {
    SuText changed[SU_MAX_STEPS]; /* by a step, before it cuts */
    SuText mapped[SU_MAX_STEPS];  /* a piece as characters of ByteLevel */
    SuPatternScratch matches;
} SuPreTokenizerScratch;

void su_pre_tokenizer_scratch_free(SuPreTokenizerScratch *scratch);

/* Takes a word: word.size > 0; SU_TEXT_PADDING bytes after the word's last may be read. */
typedef struct SuWordSink {
    SutraStatus (*take)(void *context, SuTextView word, SutraError *err);
    void *context;
} SuWordSink;

/* Hands the words of the text, which lies in a SuText, to the sink. Errors: LIMIT (of a regular
 * expression), MEMORY, the sink's. */
SutraStatus su_pre_tokenizer_run(const SuPreTokenizer *pre_tokenizer,
                                 SuPreTokenizerScratch *scratch, SuTextView text,
                                 const SuWordSink *sink, SutraError *err);

#endif
