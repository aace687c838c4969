/* device_route.h - a batch's way through a pool of devices. What one device could not do, another
 * does: a text fails only when each device was asked for it, refuses its model or output, or is in
 * quarantine. Results are copied
 * out of a device's memory by who asked for them. */
#ifndef SU_DEVICE_ROUTE_H
#define SU_DEVICE_ROUTE_H

#include "backend/device_load.h"
#include "backend/device_pool.h"

typedef struct SuDeviceRun {
    const SuDeviceModel *model;
    const SutraBatch *batch; /* its numeric_error is not used */
    size_t row_bytes;
    void *user;
    /* Texts first … first + count - 1: rows from the view's first on, valid until it returns. */
    void (*deliver)(void *user, uint32_t first, uint32_t count, const SutraResultView *view,
                    const uint8_t *numeric_error, uint64_t run_ns);
    void (*fail)(void *user, uint32_t first, uint32_t count, SutraStatus status,
                 const char *message);
} SuDeviceRun;

/* Takes a batch through devices, in pieces if one is too large for a device; blocks. Each text is
 * delivered or fails, once. */
void su_device_route(SuDevicePool *pool, const SuDeviceRun *run);

#endif
