/* embed.c - texts to vectors in C. usage: embed MODEL_FOLDER TEXT ...
 *
 * cc embed.c $(pkg-config --cflags --libs sutra) -o embed */
#include <stdio.h>
#include <string.h>
#include <sutra.h>

int main(int argc, char **argv)
{
    SutraModel *model = NULL;
    SutraEngine *engine = NULL;
    SutraResult *result = NULL;
    SutraInput inputs[16] = {{0}};
    SutraResultView view = {.struct_size = sizeof view};
    SutraError err = {0};
    size_t n = 0;
    if (argc < 3) return 2;
    for (; n < 16 && n + 2 < (size_t)argc; n++)
        inputs[n] = (SutraInput){.text = argv[n + 2], .text_size = strlen(argv[n + 2])};
    if (sutra_model_open(argv[1], NULL, &model, &err) == SUTRA_OK &&
        sutra_engine_create(NULL, &engine, &err) == SUTRA_OK &&
        sutra_embed(engine, model, inputs, n, NULL, &result, &err) == SUTRA_OK &&
        sutra_result_view(result, &view, &err) == SUTRA_OK) {
        for (size_t i = 0; i < n; i++) {
            const float *vector = (const float *)view.data + i * view.dim;
            printf("[%u] %.6f %.6f ... (%u tokens)\n", view.dim, vector[0], vector[1],
                   view.items[i].tokens_used);
        }
    } else
        fprintf(stderr, "%s\n", err.message);
    sutra_result_free(result);
    sutra_engine_free(engine);
    sutra_model_free(model);
    return err.status != SUTRA_OK;
}
