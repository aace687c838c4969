/* device_health.h - which devices of a pool are well. The pool's lock is held in all of these. */
#ifndef SU_DEVICE_HEALTH_H
#define SU_DEVICE_HEALTH_H

#include "backend/device.h"

typedef struct SuDevicePool SuDevicePool;

/* A run failed, or hung. at_once: one such is enough. */
void su_device_blame(SuDevicePool *pool, SuDevice *device, bool at_once, const char *message);

/* What a lane's task that failed says of its device: a batch that is too large, or not valid, or a
 * model that it does not support, says nothing of its health. */
void su_device_judge(SuDevicePool *pool, SuLane *lane);

/* The same of a load that no batch waits for: there is none for a while. */
void su_device_load_failed(SuDevicePool *pool, SuLane *lane);

/* A device on trial was asked for its facts. */
void su_device_probed(SuDevicePool *pool, SuDevice *device, SutraStatus status,
                      const char *message);

/* A run was good. */
void su_device_praise(SuDevicePool *pool, SuDevice *device, uint32_t texts, uint32_t tokens,
                      uint64_t run_ns);

/* Says so in the log, once, where its memory holds less than it prefers. */
void su_device_say_memory(SuDevicePool *pool, SuDevice *device);

/* Whether its last run is not too long ago to tell its pace. */
bool su_device_pace_is_fresh(const SuDevice *device, uint64_t now);

/* In quarantine, which is over: the keeper is about to ask for its facts. */
bool su_device_is_due(const SuDevice *device, uint64_t now);

/* Outputs of models that a device does not support. */
bool su_device_refuses(const SuDevice *device, uint64_t serial, SutraOutput output);
void su_device_refuse(SuDevice *device, uint64_t serial, SutraOutput output);

#endif
