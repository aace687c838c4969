/* open_model.h - the model folder that a test of src/model works on. */
#ifndef OPEN_MODEL_H
#define OPEN_MODEL_H

#include "model/model.h"
#include "model/model_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CONFIG "config.json"
#define POOLING "1_Pooling/config.json"
#define BERT "sentence_bert_config.json"
#define TOKENIZER "tokenizer_config.json"
#define SENTENCE "config_sentence_transformers.json"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define T "{\"path\":\"\",\"type\":\"sentence_transformers.models.Transformer\"}"
#define P "{\"path\":\"1_Pooling\",\"type\":\"sentence_transformers.models.Pooling\"}"
#define N "{\"path\":\"2_Normalize\",\"type\":\"sentence_transformers.models.Normalize\"}"
#define MODULE(path, type) "[" T ",{\"path\":\"" path "\",\"type\":\"" type "\"}]"

static char *folder; /* a copy of the tiny base model, fresh for each row */

static inline void fresh_model(void)
{
    folder = folder_scratch();
    folder_copy(GOLDEN_FOLDER "/models/base", folder);
}

static inline void drop_model(void)
{
    folder_remove(folder);
    free(folder);
    folder = NULL;
}

static inline SutraModel *open_path(const char *path)
{
    SutraModel *model;
    SutraError err = {0};
    if (su_model_open(path, NULL, &model, &err) != SUTRA_OK)
        fail_msg("%s: %s", sutra_status_name(err.status), err.message);
    return model;
}

#endif
