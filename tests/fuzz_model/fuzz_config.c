/* The input is one file of a model's folder: its first byte, modulo the list below, says which; the
 * other files are those of a tiny model. The folder must open or be refused with a message. */
#include "support/fuzz.h"

#include "model/model.h"
#include "model/model_folder.h"

#include <string.h>

static const char *const files[] = {"config.json",
                                    "modules.json",
                                    "1_Pooling/config.json",
                                    "sentence_bert_config.json",
                                    "tokenizer_config.json",
                                    "config_sentence_transformers.json",
                                    "sutra.json",
                                    "tokenizer.json",
                                    "2_Normalize/config.json",
                                    "model.safetensors.index.json"};
#define NUM_FILES (sizeof files / sizeof *files)

static char *folders[2]; /* a model of one file, and one of shards for the index */

static void remove_folders(void)
{
    for (int i = 0; i < 2; i++) folder_remove(folders[i]);
}

static void make_folders(void)
{
    static const char *const models[] = {GOLDEN_FOLDER "/models/base",
                                         GOLDEN_FOLDER "/models/sharded-f16"};
    for (int i = 0; i < 2; i++) {
        folders[i] = folder_scratch();
        folder_copy(models[i], folders[i]);
        for (size_t k = 3; k < NUM_FILES - 1; k++) /* those that the model may lack */
            if (k != 4 && k != 7) folder_write_text(folders[i], files[k], "{}");
    }
    atexit(remove_folders);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return -1;
    if (!folders[0]) make_folders();
    size_t which = data[0] % NUM_FILES, kept_size;
    const char *folder = folders[which == NUM_FILES - 1];
    void *kept = folder_read(folder, files[which], &kept_size);
    folder_write(folder, files[which], data + 1, size - 1);
    SutraModel *model = NULL;
    SutraError err = {0};
    SutraStatus status = su_model_open(folder, NULL, &model, &err);
    fuzz_check_error(status, &err);
    if ((status == SUTRA_OK) != (model != NULL)) abort();
    if (status != SUTRA_OK && strlen(err.message) < strlen(folder)) abort();
    su_model_destroy(model);
    folder_write(folder, files[which], kept, kept_size);
    free(kept);
    return 0;
}
