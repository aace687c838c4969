/* device_load.h - models are made ready on devices: on all that are well when a model is first
 * used, and later on those that lack it. Loading has a time limit of its own, and holds up no batch
 * that another device takes. */
#ifndef SU_DEVICE_LOAD_H
#define SU_DEVICE_LOAD_H

#include "backend/device_pool_parts.h"

/* Loads a model on all devices that are well, for an output, and for texts of up to max_tokens;
 * waits until one has it, and a little for the others, which are then the keeper's. Errors: when it
 * could be loaded on none, why not on the first. */
SutraStatus su_device_prepare(SuDevicePool *pool, SuDeviceModel *model, SutraOutput output,
                              uint32_t max_tokens, SutraError *err);

/* ---- the lock is held ---- */

/* How long loading may take. */
uint64_t su_device_load_ns(const SuDevicePool *pool);

/* Whether the device can take a text of so many tokens without loading the model: now, or when a
 * run is over. */
bool su_device_serves(const SuDevice *device, const SuDeviceModel *model, SutraOutput output,
                      uint32_t tokens);

/* Starts loading it on the free lanes that lack it, and leaves them to the keeper. */
void su_device_load_behind(SuDevicePool *pool, SuDevice *device, const SuDeviceModel *model,
                           SutraOutput output, uint32_t tokens);

#endif
