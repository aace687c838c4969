/* The input is a .sutra file. It is read as it is, and again with its size and its digests put
 * right, so that what lies behind them is reached. Every byte that a section gives away must lie in
 * the file. */
#include "support/fuzz.h"
#include "support/tiny_model.h"

#include "container/bundle_support.h"
#include "container/container_format.h"

#include <string.h>

static void read_sections(const SuContainer *container)
{
    uint64_t end = 0;
    for (size_t i = 0; i < container->num_sections; i++) {
        const SuSection *section = &container->sections[i];
        if (section->offset < end || section->data != container->map.data + section->offset)
            abort();
        fuzz_read(section->data, (size_t)section->size);
        if (su_container_find(container, section->name) != section) abort();
        end = section->offset + section->size;
    }
    if (end != container->map.size) abort();
}

/* True if it could be opened and is whole. */
static bool read_container(const uint8_t *data, size_t size)
{
    SuContainer container;
    SutraError err = {0};
    SutraStatus status = su_container_read(data, size, "x", &container, &err);
    if (status == SUTRA_OK) {
        read_sections(&container);
        status = su_container_verify(&container, &err);
        container.map = (SuFileMap){0}; /* borrowed */
        su_container_close(&container);
    }
    fuzz_check_error(status, &err);
    if (status != SUTRA_OK && strncmp(err.message, "x: ", 3) != 0) abort();
    return status == SUTRA_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)read_container(data, size);
    if (size < SU_HEADER_SIZE) return 0;
    uint64_t count = su_get_le(data + SU_HEADER_SECTIONS, 4);
    if ((size - SU_HEADER_SIZE) / SU_ENTRY_SIZE < count) return 0;
    uint8_t *sealed = malloc(size);
    if (!sealed) abort();
    memcpy(sealed, data, size);
    su_put_le(sealed + SU_HEADER_FILE_SIZE, size, 8);
    reseal(sealed, size);
    (void)read_container(sealed, size);
    free(sealed);
    return 0;
}
