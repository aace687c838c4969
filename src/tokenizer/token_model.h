/* token_model.h - the model section of tokenizer.json: from a word to tokens.
 *
 * Each model (wordpiece.h, …) is a SuTokenModelKind: its name in tokenizer.json and its operations,
 * and a row in token_model_table.c. A model is immutable once created; what encoding
 * needs to write on is in the caller's SuModelScratch. */
#ifndef SU_TOKEN_MODEL_H
#define SU_TOKEN_MODEL_H

#include "base/json_file.h"
#include "base/memory.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/token_row.h"
#include "tokenizer/vocabulary.h"

/* One block that only grows; a model lays out in it what one word needs. */
typedef struct SuModelScratch {
    unsigned char *memory; /* [capacity] aligned to a cache line */
    size_t capacity;
    void *cache;          /* of words that a model has encoded; su_free_aligned */
    uint64_t cache_owner; /* serial number of that model */
} SuModelScratch;

/* What a model is created from; all borrowed for the call, the vocabulary for as long as the model
 * lives. */
typedef struct SuTokenModelSource {
    const json_t *json; /* the section */
    const SuVocabulary *vocabulary;
    const SuPreTokenizer *pre_tokenizer; /* what its words come from */
    const char *where;
    bool exact_scores; /* numbers count as they are, not as the reference reads text */
} SuTokenModelSource;

typedef struct SuTokenModelKind {
    const char *name; /* "type" of the section; shorter than SU_MODEL_NAME */
    SuSameTexts same_texts;

    /* The tokens of the section, without su_vocabulary_finish. Errors: FORMAT, LIMIT, MEMORY. */
    SutraStatus (*read_tokens)(const json_t *json, const char *where, SuVocabulary *vocabulary,
                               SutraError *err);
    size_t size; /* bytes of a model, which begins as zeros */
    /* Errors: FORMAT, UNSUPPORTED, MEMORY. */
    SutraStatus (*fill)(void *model, const SuTokenModelSource *source, SutraError *err);
    /* Frees what fill has taken, also where that failed; not the model itself. */
    void (*clear)(void *model);

    /* Pushes the tokens of word [size]; size > 0; valid UTF-8 (bytes of it where the pre-tokenizer
     * has keep_bytes); SU_WORD_LOAD bytes are readable from any of its bytes. Errors: MEMORY;
     * FORMAT where the model cannot take the word (no token for what is unknown). */
    SutraStatus (*encode)(const void *model, SuModelScratch *scratch, const char *word, size_t size,
                          SuWordPlace place, SuTokenRow *row, SutraError *err);
    /* Bytes of scratch that words of up to `size` bytes need; 0: none. */
    size_t (*scratch_size)(size_t size);

    /* Carves the model's place in an image, and writes it when the arena has memory. */
    void (*write)(const void *model, SuArena *arena);
    /* Makes a model of the memory of `arena`, which is borrowed, and which it carves to its end; it
     * is not cleared. vocab_size: ids are below. False: the image is damaged. */
    bool (*attach)(void *model, SuArena *arena, const SuVocabulary *vocabulary,
                   uint32_t vocab_size);
} SuTokenModelKind;

#define SU_MODEL_NAME 16u

typedef struct SuTokenModel {
    const SuTokenModelKind *kind;
    void *data;  /* [kind->size] owned */
    bool mapped; /* what it points to lies in an image */
} SuTokenModel;

/* The next three begin with nothing but a kind, and leave what su_token_model_free takes, whatever
 * they return. Zeros; filled; attached to an image. Errors: MEMORY; those of fill; FORMAT
 * (damaged). */
SutraStatus su_token_model_allocate(SuTokenModel *model, const char *where, SutraError *err);
SutraStatus su_token_model_create(SuTokenModel *model, const SuTokenModelSource *source,
                                  SutraError *err);
SutraStatus su_token_model_open(SuTokenModel *model, SuArena *arena, const SuVocabulary *vocabulary,
                                uint32_t vocab_size, const char *where, SutraError *err);
void su_token_model_free(SuTokenModel *model);

/* Room for `size` bytes. Errors: MEMORY. */
SutraStatus su_model_scratch_reserve(SuModelScratch *scratch, size_t size, SutraError *err);
void su_model_scratch_free(SuModelScratch *scratch);

/* "vocab": {"token": id, …}: read_tokens of all models but Unigram. */
SutraStatus su_token_model_read_object(const json_t *json, const char *where,
                                       SuVocabulary *vocabulary, SutraError *err);

#endif
