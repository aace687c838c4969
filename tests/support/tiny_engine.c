#include "support/tiny_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tiny_engine_open(const TinyModel *model, const SutraEngineOptions *options, TinyEngine *tiny)
{
    SutraError err = {0};
    *tiny = (TinyEngine){.path = tiny_model_write(model)};
    if (sutra_model_open(tiny->path, NULL, &tiny->model, &err) != SUTRA_OK ||
        sutra_engine_create(options, &tiny->engine, &err) != SUTRA_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
}

void tiny_engine_close(TinyEngine *tiny)
{
    sutra_engine_free(tiny->engine);
    sutra_model_free(tiny->model);
    tiny_model_remove(tiny->path);
}

SutraInput text_input(const char *text)
{
    return (SutraInput){.text = text, .text_size = strlen(text)};
}
