/* fuzz.h - what the fuzz targets share. A target of libFuzzer aborts, or lets a sanitizer do so, on
 * an input that breaks what it states. */
#ifndef SU_FUZZ_H
#define SU_FUZZ_H

#include "base/status.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte: AddressSanitizer finds those that do not belong to it. */
static inline void fuzz_read(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) (void)*(const volatile unsigned char *)(data + i);
}

/* A function returns the status that it raised, and no message comes without a failure. */
static inline void fuzz_check_error(SutraStatus status, const SutraError *err)
{
    if (status != err->status || (status == SUTRA_OK) != (err->message[0] == '\0')) abort();
}

#endif
