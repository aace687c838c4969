/* embed.c - texts to vectors in C. usage: embed MODEL_FOLDER TEXT ...
 *
 * cc embed.c $(pkg-config --cflags --libs sutra) -o embed */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sutra.h>

static void check(SutraStatus status, const SutraError *err)
{
    if (status == SUTRA_OK) return;
    fprintf(stderr, "%s: %s\n", sutra_status_name(status), err->message);
    exit(1);
}

int main(int argc, char **argv)
{
    enum { MAX_TEXTS = 64 };
    if (argc < 3 || argc - 2 > MAX_TEXTS) return 2;
    SutraError err;
    SutraModel *model;
    SutraEngine *engine;
    SutraResult *result;
    SutraInput inputs[MAX_TEXTS] = {0};
    SutraResultView view = {.struct_size = sizeof view};
    size_t n = (size_t)argc - 2;

    check(sutra_model_open(argv[1], NULL, &model, &err), &err);
    check(sutra_engine_create(NULL, &engine, &err), &err);
    for (size_t i = 0; i < n; i++) {
        inputs[i].text = argv[i + 2];
        inputs[i].text_size = strlen(argv[i + 2]);
    }
    check(sutra_embed(engine, model, inputs, n, NULL, &result, &err), &err);
    check(sutra_result_view(result, &view, &err), &err);
    for (size_t i = 0; i < n; i++) {
        const float *vector = (const float *)view.data + i * view.dim;
        printf("[%u] %.6f %.6f %.6f ... (%u tokens)\n", view.dim, vector[0], vector[1], vector[2],
               view.items[i].tokens_used);
    }
    sutra_result_free(result);
    sutra_engine_free(engine);
    sutra_model_free(model);
    return 0;
}
