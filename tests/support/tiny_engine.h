/* tiny_engine.h - a tiny model, opened, and an engine for it: what most tests through sutra.h begin
 * with. */
#ifndef SU_TINY_ENGINE_H
#define SU_TINY_ENGINE_H

#include "support/tiny_model.h"
#include "sutra.h"

typedef struct TinyEngine {
    char *path;
    SutraModel *model;
    SutraEngine *engine; /* a test may free it and set NULL */
} TinyEngine;

/* Asserts on failure, with the library's message. */
void tiny_engine_open(const TinyModel *model, const SutraEngineOptions *options, TinyEngine *tiny);
void tiny_engine_close(TinyEngine *tiny);

SutraInput text_input(const char *text);

/* sutra_embed, which must return `expected`: the result, if there is one, and its view. *result is
 * freed by sutra_result_free. */
SutraResultView tiny_embed(TinyEngine *tiny, const SutraInput *inputs, size_t n,
                           const SutraEmbedOptions *options, SutraStatus expected,
                           SutraResult **result, SutraError *err);

#endif
