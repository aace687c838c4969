/* device_name.h - how devices are named: "cpu", "cuda:1", "cpu@0-3+8" (cores 0 to 3 and 8). A list
 * has commas between them. */
#ifndef SU_DEVICE_NAME_H
#define SU_DEVICE_NAME_H

#include "sutra_backend.h"

#include <stdbool.h>

enum { SU_DEVICE_NAME_SIZE = 64, SU_DEVICE_CORES = 1024 };

typedef struct SuDeviceName {
    char text[SU_DEVICE_NAME_SIZE];    /* as given */
    char backend[SU_DEVICE_NAME_SIZE]; /* "cuda" */
    uint32_t index;
    uint32_t num_cores; /* 0: any */
    uint8_t cores[SU_DEVICE_CORES / 8];
} SuDeviceName;

/* One name of `size` bytes. Errors: ARGUMENT. */
SutraStatus su_device_name_parse(const char *text, size_t size, SuDeviceName *name,
                                 SutraError *err);

/* The next name of a list, from *at on, which moves behind it; false: there is none. */
bool su_device_list_next(const char **at, const char **name, size_t *size);

#endif
