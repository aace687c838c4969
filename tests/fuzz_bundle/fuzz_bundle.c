/* The input says what is changed in the bundle of a tiny model, which is then opened, verified and
 * used. Digests are put right, as a forger would. Each change takes 8 bytes, the last one may be
 * short:
 *
 *   | section 1 | kind 1 | place 2 | value 4 |     numbers are little-endian
 *
 *   kind 0  one byte at `place` becomes value     1  four bytes       2  four bytes from the end
 *        3  the section is cut to `place` bytes   4  it grows by `place` bytes of value
 *        5  value is added to the four bytes at `place` */
#include "support/fuzz.h"
#include "support/tiny_model.h"

#include "container/bundle_support.h"
#include "container/container_format.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CHANGE = 8, CHANGES = 16 };

typedef struct Part {
    char name[SU_CONTAINER_NAME];
    unsigned char *data;
    size_t size;
} Part;

static char *folder, *path;
static SuContainer original;

static void remove_files(void)
{
    su_container_close(&original);
    free(path);
    remove_folder(folder);
}

/* The bundle of a bundle: it does not say which folder it was made from, and so is always the same. */
static void make_original(void)
{
    SutraError err;
    SutraModel *model;
    char *source = tiny_model_write(&bundle_tiny);
    folder = make_folder();
    path = path_in(folder, "x.sutra");
    char *kept = path_in(folder, "kept.sutra"); /* stays mapped */
    for (int i = 0; i < 2; i++) {
        if (sutra_model_open(i ? path : source, NULL, &model, &err) != SUTRA_OK) abort();
        if (sutra_model_save(model, i ? kept : path, &err) != SUTRA_OK) abort();
        sutra_model_free(model);
    }
    tiny_model_remove(source);
    if (su_container_open(kept, &original, &err) != SUTRA_OK) abort();
    free(kept);
    atexit(remove_files);
}

static void resize(Part *part, size_t size, uint8_t filler)
{
    unsigned char *resized = malloc(size + 1);
    if (!resized) abort();
    memset(resized, filler, size);
    memcpy(resized, part->data, size < part->size ? size : part->size);
    free(part->data);
    part->data = resized;
    part->size = size;
}

static void change(Part *part, unsigned kind, size_t place, uint32_t value)
{
    size_t width = kind == 0 ? 1 : 4;
    if (kind == 3) return resize(part, place < part->size ? place : part->size, 0);
    if (kind == 4) return resize(part, part->size + place, (uint8_t)value);
    if (place > part->size || part->size - place < width) return;
    size_t at = kind == 2 ? part->size - place - width : place;
    uint64_t old = kind == 5 ? su_get_le(part->data + at, 4) : 0;
    su_put_le(part->data + at, old + value, width);
}

/* The parts as a file. */
static unsigned char *join(const Part *parts, size_t count, size_t *size)
{
    uint64_t end = SU_HEADER_SIZE + count * SU_ENTRY_SIZE, total = end;
    for (size_t i = 0; i < count; i++)
        total = su_container_place(total, parts[i].size) + parts[i].size;
    unsigned char *bytes = calloc(1, (size_t)total);
    if (!bytes) abort();
    memcpy(bytes, SU_CONTAINER_MAGIC, 8);
    su_put_le(bytes + SU_HEADER_VERSION, SU_CONTAINER_VERSION, 4);
    su_put_le(bytes + SU_HEADER_SECTIONS, count, 4);
    su_put_le(bytes + SU_HEADER_FILE_SIZE, total, 8);
    for (size_t i = 0; i < count; i++) {
        unsigned char *entry = bytes + SU_HEADER_SIZE + i * SU_ENTRY_SIZE;
        uint64_t offset = su_container_place(end, parts[i].size);
        memcpy(entry, parts[i].name, SU_CONTAINER_NAME);
        su_put_le(entry + SU_ENTRY_OFFSET, offset, 8);
        su_put_le(entry + SU_ENTRY_LENGTH, parts[i].size, 8);
        memcpy(bytes + offset, parts[i].data, parts[i].size);
        end = offset + parts[i].size;
    }
    *size = (size_t)total;
    reseal(bytes, *size);
    return bytes;
}

static void use_bundle(bool changed)
{
    SutraModel *model = NULL;
    SutraError err = {0};
    float vectors[BUNDLE_TEXTS * BUNDLE_HIDDEN];
    SutraStatus status = sutra_model_open(path, NULL, &model, &err);
    if ((status == SUTRA_OK) != (model != NULL)) abort();
    if (status == SUTRA_OK) {
        if (sutra_model_verify(path, &err) != SUTRA_OK) abort();
        status = embed_texts(model, vectors, &err);
        sutra_model_free(model);
    }
    if (status != SUTRA_OK && (!changed || !err.message[0])) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Part parts[SU_CONTAINER_MAX_SECTIONS];
    if (!folder) make_original();
    if (size > CHANGE * CHANGES) return -1;
    size_t count = original.num_sections, file_size;
    for (size_t i = 0; i < count; i++) {
        const SuSection *section = &original.sections[i];
        parts[i] = (Part){.size = (size_t)section->size, .data = malloc((size_t)section->size + 1)};
        if (!parts[i].data) abort();
        memcpy(parts[i].name, section->name, sizeof section->name);
        memcpy(parts[i].data, section->data, (size_t)section->size);
    }
    for (size_t at = 0; at < size; at += CHANGE) {
        uint8_t bytes[CHANGE] = {0};
        memcpy(bytes, data + at, size - at < CHANGE ? size - at : CHANGE);
        change(&parts[bytes[0] % count], bytes[1] % 6, (size_t)su_get_le(bytes + 2, 2),
               (uint32_t)su_get_le(bytes + 4, 4));
    }
    unsigned char *file = join(parts, count, &file_size);
    write_bytes(path, file, file_size);
    use_bundle(size > 0);
    free(file);
    for (size_t i = 0; i < count; i++) free(parts[i].data);
    return 0;
}
