/* The input is one file of a model's folder: its first byte, modulo the list below, says which; the
 * other files are those of a tiny model, or of a static one. The folder must open or be refused with
 * a message. */
#include "support/fuzz.h"

#include "model/model.h"
#include "model/model_folder.h"

#include <string.h>

enum { ONE_FILE, SHARDS, PACKAGE, STATIC_MODULES, NUM_FOLDERS };

static const char *const models[NUM_FOLDERS] = {
    [ONE_FILE] = GOLDEN_FOLDER "/models/base",
    [SHARDS] = GOLDEN_FOLDER "/models/sharded-f16",
    [PACKAGE] = GOLDEN_FOLDER "/static/shared",
    [STATIC_MODULES] = GOLDEN_FOLDER "/static/both",
};

static const struct {
    const char *name;
    int folder;
    bool is_added; /* the golden model lacks it */
} files[] = {{"config.json", ONE_FILE, false},
             {"modules.json", ONE_FILE, false},
             {"1_Pooling/config.json", ONE_FILE, false},
             {"sentence_bert_config.json", ONE_FILE, true},
             {"tokenizer_config.json", ONE_FILE, false},
             {"config_sentence_transformers.json", ONE_FILE, true},
             {"sutra.json", ONE_FILE, true},
             {"tokenizer.json", ONE_FILE, false},
             {"2_Normalize/config.json", ONE_FILE, true},
             {"model.safetensors.index.json", SHARDS, false},
             {"config.json", PACKAGE, false},
             {"tokenizer.json", PACKAGE, false},
             {"model.safetensors", PACKAGE, false},
             {"modules.json", STATIC_MODULES, false},
             {"tokenizer.json", STATIC_MODULES, false}};
#define NUM_FILES (sizeof files / sizeof *files)

static char *folders[NUM_FOLDERS];

static void remove_folders(void)
{
    for (int i = 0; i < NUM_FOLDERS; i++) folder_remove(folders[i]);
}

static void make_folders(void)
{
    for (int i = 0; i < NUM_FOLDERS; i++) {
        folders[i] = folder_scratch();
        folder_copy(models[i], folders[i]);
    }
    for (size_t k = 0; k < NUM_FILES; k++)
        if (files[k].is_added) folder_write_text(folders[files[k].folder], files[k].name, "{}");
    atexit(remove_folders);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return -1;
    if (!folders[0]) make_folders();
    size_t which = data[0] % NUM_FILES, kept_size;
    const char *folder = folders[files[which].folder];
    void *kept = folder_read(folder, files[which].name, &kept_size);
    folder_write(folder, files[which].name, data + 1, size - 1);
    SutraModel *model = NULL;
    SutraError err = {0};
    SutraStatus status = su_model_open(folder, NULL, &model, &err);
    fuzz_check_error(status, &err);
    if ((status == SUTRA_OK) != (model != NULL)) abort();
    if (status != SUTRA_OK && strlen(err.message) < strlen(folder)) abort();
    su_model_destroy(model);
    folder_write(folder, files[which].name, kept, kept_size);
    free(kept);
    return 0;
}
