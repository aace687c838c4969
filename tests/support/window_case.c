#include "support/window_case.h"

#include "model/model_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A chain with Normalize; prompts are not pooled. */
static const char modules[] =
    "[{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":\"sentence_transformers.models."
    "Transformer\"},"
    "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\",\"type\":\"sentence_transformers.models."
    "Pooling\"},"
    "{\"idx\":2,\"name\":\"2\",\"path\":\"2_Normalize\",\"type\":\"sentence_transformers.models."
    "Normalize\"}]";
static const char pooling[] = "{\"word_embedding_dimension\":64,\"pooling_mode_mean_tokens\":true,"
                              "\"include_prompt\":false}";
static const char prompts[] = "{\"prompts\":{\"query\":\"q u e: \",\"endless\":\"a b c d e f g h i "
                              "j k l m n o \"}}";

static SutraModel *open_model(const char *path)
{
    SutraModel *model = NULL;
    SutraError err = {0};
    if (sutra_model_open(path, NULL, &model, &err) != SUTRA_OK) fail_msg("%s", err.message);
    return model;
}

int window_set_up(void **state)
{
    static WindowFixture f;
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 3};
    f.path = tiny_model_write(&(TinyModel){HIDDEN, 2, 2, 128, 512, NULL, 21});
    f.plain = open_model(f.path);
    folder_write_text(f.path, "modules.json", modules);
    folder_write_text(f.path, "1_Pooling/config.json", pooling);
    folder_write_text(f.path, "config_sentence_transformers.json", prompts);
    f.normalized = open_model(f.path);
    folder_write_text(f.path, "config_sentence_transformers.json", "{\"truncate_dim\":40}");
    f.cut = open_model(f.path);
    assert_int_equal(sutra_engine_create(&options, &f.engine, NULL), SUTRA_OK);
    *state = &f;
    return 0;
}

int window_tear_down(void **state)
{
    WindowFixture *f = *state;
    sutra_engine_free(f->engine);
    sutra_model_free(f->plain);
    sutra_model_free(f->normalized);
    sutra_model_free(f->cut);
    folder_remove(f->path);
    free(f->path);
    return 0;
}

void window_text(const WindowFixture *f, size_t size, uint32_t *random, WindowText *text)
{
    SutraTokens *tokens = NULL;
    SutraTokensView view = {.struct_size = sizeof view};
    text->size = size;
    for (size_t i = 0; i < size; i++)
        memcpy(text->text + 2 * i, (char[]){(char)('a' + tiny_random(random) % 26), ' '}, 2);
    text->text[2 * size] = '\0';
    SutraInput input = text_input(text->text);
    assert_int_equal(sutra_tokenize(f->plain, &input, 1, 0, &tokens, NULL), SUTRA_OK);
    assert_int_equal(sutra_tokens_view(tokens, &view, NULL), SUTRA_OK);
    assert_int_equal(view.cu_seqlens[1], size + 2);
    memcpy(text->ids, view.token_ids + 1, size * sizeof *text->ids);
    sutra_tokens_free(tokens);
}
