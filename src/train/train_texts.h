/* train_texts.h - the texts of a training: each once, some of them held out. */
#ifndef SU_TRAIN_TEXTS_H
#define SU_TRAIN_TEXTS_H

#include "base/status.h"
#include "container/container.h"

enum { SU_FEWEST_TEXTS = 8, SU_FEWEST_HELD_OUT = 4, SU_MOST_HELD_OUT = 1000 };

typedef struct SuTrainTexts {
    SutraInput *inputs; /* [count] different texts in the order given, borrowed */
    uint32_t *places;   /* [count] among those given */
    size_t count, duplicates;
    SuDigest digest; /* of all texts given */
    uint32_t *order; /* [count] drawn from the seed: first those held out, then the others */
    size_t held_out; /* a twentieth, SU_FEWEST_HELD_OUT … SU_MOST_HELD_OUT */
} SuTrainTexts;

/* Errors: ARGUMENT (fewer than SU_FEWEST_TEXTS, or an input without text), LIMIT, MEMORY. */
SutraStatus su_train_texts_open(SuTrainTexts *texts, const SutraInput *inputs, size_t n,
                                uint64_t seed, SutraError *err);
void su_train_texts_close(SuTrainTexts *texts);

#endif
