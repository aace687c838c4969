#include "train/train_texts.h"

#include "base/memory.h"
#include "train/seeded.h"

#include <stdlib.h>
#include <string.h>

typedef struct TextKey {
    SuDigest digest; /* of the text and its prompt's name */
    size_t place;
} TextKey;

static SutraStatus digest_texts(const SutraInput *inputs, size_t n, TextKey *keys, SutraError *err)
{
    for (size_t i = 0; i < n; i++) {
        if (inputs[i].token_ids || inputs[i].pair)
            SU_RAISE(err, SUTRA_E_ARGUMENT, "distill: input %zu is not a plain text", i);
        const char *prompt = inputs[i].prompt_name;
        keys[i].digest = su_digest(inputs[i].text ? inputs[i].text : "", inputs[i].text_size);
        keys[i].place = i;
        if (!prompt) continue;
        SuDigest both[2] = {keys[i].digest, su_digest(prompt, strlen(prompt))};
        keys[i].digest = su_digest(both, sizeof both);
    }
    return SUTRA_OK;
}

static int by_digest(const void *a, const void *b)
{
    const TextKey *x = a, *y = b;
    int order = memcmp(x->digest.bytes, y->digest.bytes, sizeof x->digest.bytes);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static int by_place(const void *a, const void *b)
{
    const TextKey *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

/* The first of each, in the order of the input; returns how many. */
static size_t keep_first(TextKey *keys, size_t n)
{
    size_t count = 0;
    qsort(keys, n, sizeof *keys, by_digest);
    for (size_t i = 0; i < n; i++)
        if (!count || memcmp(&keys[count - 1].digest, &keys[i].digest, sizeof keys->digest) != 0)
            keys[count++] = keys[i];
    qsort(keys, count, sizeof *keys, by_place);
    return count;
}

static SutraStatus take_texts(SuTrainTexts *texts, const SutraInput *inputs, size_t n,
                              TextKey *keys, SutraError *err)
{
    SU_TRY(digest_texts(inputs, n, keys, err));
    SuDigest *digests = su_alloc(n, sizeof *digests);
    if (!digests) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu texts", n);
    for (size_t i = 0; i < n; i++) digests[i] = keys[i].digest;
    texts->digest = su_digest(digests, n * sizeof *digests);
    su_free(digests);
    texts->count = keep_first(keys, n);
    texts->duplicates = n - texts->count;
    if (texts->count < SU_FEWEST_TEXTS)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "distillation needs %d different texts or more, and there %s %zu", SU_FEWEST_TEXTS,
                 texts->count == 1 ? "is" : "are", texts->count);
    texts->inputs = su_alloc(texts->count, sizeof *texts->inputs);
    texts->order = su_alloc(texts->count, sizeof *texts->order);
    texts->places = su_alloc(texts->count, sizeof *texts->places);
    if (!texts->inputs || !texts->order || !texts->places)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu texts", n);
    for (size_t i = 0; i < texts->count; i++) {
        texts->places[i] = (uint32_t)keys[i].place;
        texts->inputs[i] = inputs[keys[i].place];
    }
    return SUTRA_OK;
}

static void draw(SuTrainTexts *texts, uint64_t seed)
{
    SuSeeded seeded = su_seeded(seed, 0);
    for (size_t i = 0; i < texts->count; i++) texts->order[i] = (uint32_t)i;
    su_seeded_shuffle(&seeded, texts->order, texts->count);
    texts->held_out = texts->count / 20;
    if (texts->held_out < SU_FEWEST_HELD_OUT) texts->held_out = SU_FEWEST_HELD_OUT;
    if (texts->held_out > SU_MOST_HELD_OUT) texts->held_out = SU_MOST_HELD_OUT;
}

SutraStatus su_train_texts_open(SuTrainTexts *texts, const SutraInput *inputs, size_t n,
                                uint64_t seed, SutraError *err)
{
    *texts = (SuTrainTexts){.count = 0};
    if (!n || !inputs) SU_RAISE(err, SUTRA_E_ARGUMENT, "distill: no texts");
    if (n > UINT32_MAX) SU_RAISE(err, SUTRA_E_LIMIT, "distill: %zu texts are too many", n);
    TextKey *keys = su_alloc(n, sizeof *keys);
    if (!keys) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu texts", n);
    SutraStatus status = take_texts(texts, inputs, n, keys, err);
    su_free(keys);
    if (status == SUTRA_OK) draw(texts, seed);
    return status;
}

void su_train_texts_close(SuTrainTexts *texts)
{
    su_free(texts->inputs);
    su_free(texts->order);
    su_free(texts->places);
    *texts = (SuTrainTexts){.count = 0};
}
