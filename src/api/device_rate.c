#include "api/device_rate.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "pipeline/engine.h"

#include <stdio.h>
#include <string.h>

enum {
    TEXTS = 256, /* that differ */
    LEAST_WORDS = 40,
    MOST_WORDS = 160,
    TEXT_SIZE = MOST_WORDS * 12,
    FEW = 4,    /* texts of the first round */
    MOST = 8192 /* of the last */
};

static const uint64_t BUDGET_NS = 300000000;

static const char *const words[] = {
    "a",      "about",     "after",  "all",     "along",  "an",        "and",      "another",
    "around", "as",        "at",     "because", "before", "between",   "book",     "bridge",
    "but",    "by",        "called", "can",     "city",   "cold",      "could",    "country",
    "day",    "different", "down",   "each",    "early",  "every",     "family",   "few",
    "field",  "first",     "for",    "found",   "from",   "garden",    "great",    "had",
    "has",    "have",      "her",    "history", "house",  "important", "in",       "into",
    "is",     "it",        "its",    "large",   "later",  "less",      "light",    "little",
    "long",   "made",      "many",   "more",    "most",   "music",     "near",     "new",
    "night",  "not",       "of",     "often",   "old",    "on",        "one",      "only",
    "or",     "other",     "over",   "paper",   "people", "place",     "question", "read",
    "river",  "same",      "school", "several", "silver", "small",     "some",     "stone",
    "system", "than",      "that",   "the",     "there",  "these",     "they",     "through",
    "to",     "under",     "water",  "were",    "where",  "which",     "with",     "years"};

/* Texts of 40 to 160 words, some 100 tokens in the mean; the same each time. */
typedef struct Sample {
    char texts[TEXTS][TEXT_SIZE];
    SutraInput inputs[MOST];
    SutraEmbedOptions options;
} Sample;

static void write_text(uint32_t number, uint32_t *random, char text[TEXT_SIZE])
{
    uint32_t num_words = LEAST_WORDS + number * 61 % (MOST_WORDS - LEAST_WORDS + 1);
    size_t used = 0;
    for (uint32_t i = 0; i < num_words; i++) {
        *random = *random * 1664525u + 1013904223u;
        const char *word = words[(*random >> 16) % (sizeof words / sizeof *words)];
        used += (size_t)snprintf(text + used, TEXT_SIZE - used, "%s%s", i ? " " : "", word);
    }
}

static Sample *make_sample(const SutraModel *model)
{
    Sample *sample = su_calloc(1, sizeof *sample);
    SutraModelInfo info = {.struct_size = sizeof info};
    uint32_t random = 1;
    if (!sample) return NULL;
    sutra_model_info(model, &info, NULL);
    bool scores = info.outputs >> SUTRA_OUT_SCORES & 1;
    sample->options = (SutraEmbedOptions){.struct_size = sizeof sample->options,
                                          .output = scores ? SUTRA_OUT_SCORES : SUTRA_OUT_POOLED};
    for (uint32_t i = 0; i < TEXTS; i++) write_text(i, &random, sample->texts[i]);
    for (uint32_t i = 0; i < MOST; i++) {
        const char *text = sample->texts[i % TEXTS];
        sample->inputs[i] = (SutraInput){.text = text, .text_size = strlen(text)};
        sample->inputs[i].prompt_name = "";
        if (!scores) continue;
        sample->inputs[i].pair = text;
        sample->inputs[i].pair_size = sample->inputs[i].text_size;
    }
    return sample;
}

/* Embeds the first n texts: their tokens, and how long it took. */
static SutraStatus run_round(SutraEngine *engine, const SutraModel *model, const Sample *sample,
                             size_t n, uint64_t *tokens, uint64_t *ns, SutraError *err)
{
    SutraResult *result = NULL;
    SutraResultView view = {.struct_size = sizeof view};
    uint64_t start = su_clock_ns();
    SutraStatus status =
        sutra_embed(engine, model, sample->inputs, n, &sample->options, &result, err);
    *ns = su_clock_ns() - start;
    if (status == SUTRA_OK) status = sutra_result_view(result, &view, err);
    *tokens = 0;
    for (size_t i = 0; status == SUTRA_OK && i < n; i++) *tokens += view.items[i].tokens_used;
    sutra_result_free(result);
    return status;
}

/* Rounds of twice as many texts each, as long as the next is sure to end in time: the best of them,
 * since small ones do not fill a device, and the first of a size may have to make buffers. */
static SutraStatus measure(SutraEngine *engine, const SutraModel *model, const Sample *sample,
                           double *rate, SutraError *err)
{
    uint64_t tokens, ns, spent = 0;
    SU_TRY(run_round(engine, model, sample, FEW, &tokens, &ns, err)); /* makes the model ready */
    ns = 0;
    for (size_t n = FEW; n <= MOST && spent + 2 * ns <= BUDGET_NS; n *= 2) {
        SU_TRY(run_round(engine, model, sample, n, &tokens, &ns, err));
        double own = (double)tokens * 1e9 / (double)(ns ? ns : 1);
        if (own > *rate) *rate = own;
        spent += ns;
    }
    return SUTRA_OK;
}

/* What a device said that failed, which the error of a text may not have: it is asked in vain once
 * the device is left alone. */
static SutraStatus name_cause(SutraEngine *engine, SutraStatus status, SutraError *err)
{
    SuDeviceReport report = {.last_error = ""};
    if (engine->devices) su_device_pool_report(engine->devices, &report, 1);
    if (!report.last_error[0]) return status;
    SU_RAISE(err, status, "%s", report.last_error);
}

SutraStatus su_device_rate(const SutraModel *model, const SutraEngineOptions *options,
                           const char *device, double *tokens_per_second, SutraError *err)
{
    SutraEngineOptions own = *options;
    SutraEngine *engine = NULL;
    *tokens_per_second = 0;
    own.struct_size = sizeof own;
    own.devices = device;
    own.cache_bytes = 0;
    own.log = NULL;
    Sample *sample = make_sample(model);
    if (!sample) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    SutraStatus status = sutra_engine_create(&own, &engine, err);
    if (status == SUTRA_OK) {
        status = measure(engine, model, sample, tokens_per_second, err);
        if (status != SUTRA_OK) status = name_cause(engine, status, err);
    }
    sutra_engine_free(engine);
    su_free(sample);
    return status;
}
