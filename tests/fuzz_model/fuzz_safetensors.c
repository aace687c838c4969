/* The input is one .safetensors file. Every byte that a view gives away must lie in the file. */
#include "support/fuzz.h"

#include "weights/safetensors.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void read_all(const SuTensorTable *table)
{
    size_t total = 0;
    for (size_t i = 0; i < table->num_tensors; i++) {
        const SuTensorView *view = &table->tensors[i];
        fuzz_read(view->data, view->size);
        total += view->size;
        if (su_tensor_table_find(table, view->name) != view) abort();
    }
    if (table->num_files && total > table->files[0].map.size) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[40];
    int fd = memfd_create("weights", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    SuTensorTable table = {0};
    SutraError err = {0};
    SutraStatus status = su_safetensors_add(&table, path, &err);
    if (status == SUTRA_OK) status = su_tensor_table_seal(&table, &err);
    if (status == SUTRA_OK) read_all(&table);
    fuzz_check_error(status, &err);
    su_tensor_table_free(&table);
    close(fd);
    return 0;
}
