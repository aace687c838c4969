/* device_keeper.h - a pool's thread that sees to what no batch waits for: loads that are under way
 * behind the batches, and whether devices in quarantine answer again. It calls no device itself, so
 * that it never hangs, and sleeps until something is due. */
#ifndef SU_DEVICE_KEEPER_H
#define SU_DEVICE_KEEPER_H

#include "backend/device.h"

typedef struct SuDevicePool SuDevicePool;

/* Errors: LIMIT (no thread). */
SutraStatus su_device_keeper_start(SuDevicePool *pool, SutraError *err);

/* Waits a little for what is under way; afterwards no lane is the keeper's. */
void su_device_keeper_stop(SuDevicePool *pool);

/* What is under way on a device gets no more than that; the lock is held. */
void su_device_keeper_hurry(SuDevicePool *pool, SuDevice *device);

#endif
