#include "support/tiny_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

SutraResultView tiny_embed(TinyEngine *tiny, const SutraInput *inputs, size_t n,
                           const SutraEmbedOptions *options, SutraStatus expected,
                           SutraResult **result, SutraError *err)
{
    SutraResultView view = {.struct_size = sizeof view};
    SutraStatus status = sutra_embed(tiny->engine, tiny->model, inputs, n, options, result, err);
    if (status != expected) print_error("%s: %s\n", sutra_status_name(status), err->message);
    assert_int_equal(status, expected);
    if (*result) assert_int_equal(sutra_result_view(*result, &view, err), SUTRA_OK);
    return view;
}
