#include "support/tiny_model.h"

#include "bundle_support.h"
#include "container/container_format.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const TinyModel bundle_tiny = {.hidden_size = BUNDLE_HIDDEN,
                               .num_heads = 2,
                               .num_layers = 2,
                               .ffn_size = 48,
                               .max_positions = 32,
                               .seed = 7};

static void check(bool held, const char *what)
{
    if (held) return;
    perror(what);
    abort();
}

char *make_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *path = malloc(512);
    check(path != NULL, "malloc");
    snprintf(path, 512, "%s/sutra-bundle-XXXXXX", base ? base : "/tmp");
    check(mkdtemp(path) != NULL, path);
    return path;
}

void remove_folder(char *path)
{
    DIR *directory = opendir(path);
    check(directory != NULL, path);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char *file = path_in(path, entry->d_name);
        unlink(file);
        free(file);
    }
    closedir(directory);
    rmdir(path);
    free(path);
}

char *path_in(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    check(path != NULL, "malloc");
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

unsigned char *read_bytes(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    check(file != NULL, path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    void *bytes = NULL;
    check(posix_memalign(&bytes, 4096, *size + 1) == 0, "memory");
    check(fread(bytes, 1, *size, file) == *size, path);
    fclose(file);
    return bytes;
}

void write_bytes(const char *path, const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    check(file != NULL, path);
    check(fwrite(bytes, 1, size, file) == size, path);
    check(fclose(file) == 0, path);
}

void reseal(unsigned char *bytes, size_t size)
{
    size_t count = (size_t)su_get_le(bytes + SU_HEADER_SECTIONS, 4);
    for (size_t i = 0; i < count; i++) {
        unsigned char *entry = bytes + SU_HEADER_SIZE + i * SU_ENTRY_SIZE;
        uint64_t offset = su_get_le(entry + SU_ENTRY_OFFSET, 8);
        uint64_t length = su_get_le(entry + SU_ENTRY_LENGTH, 8);
        if (offset > size || length > size - offset) continue;
        SuDigest digest = su_digest(bytes + offset, (size_t)length);
        memcpy(entry + SU_ENTRY_DIGEST, &digest, sizeof digest);
    }
    SuDigest digest = su_container_head_digest(bytes, count);
    memcpy(bytes + SU_HEADER_DIGEST, &digest, sizeof digest);
}

SutraStatus embed_texts(const SutraModel *model, float *vectors, SutraError *err)
{
    static const char *const texts[BUNDLE_TEXTS] = {"", "a b c", "ac bd ##x 12,7 (q)",
                                                    "Caf\xc3\xa9 na\xc3\xafve \xe4\xb8\xad z"};
    SutraInput inputs[BUNDLE_TEXTS];
    SutraEngine *engine;
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    SutraModelInfo info = {.struct_size = sizeof info, .hidden_size = 0};
    for (size_t i = 0; i < BUNDLE_TEXTS; i++)
        inputs[i] = (SutraInput){.text = texts[i], .text_size = strlen(texts[i])};
    SutraStatus status = sutra_model_info(model, &info, err);
    if (status == SUTRA_OK) status = sutra_engine_create(&options, &engine, err);
    if (status != SUTRA_OK) return status;
    status = sutra_embed_into(engine, model, inputs, BUNDLE_TEXTS, NULL, vectors,
                              BUNDLE_TEXTS * info.hidden_size * sizeof(float), NULL, err);
    sutra_engine_free(engine);
    return status;
}
