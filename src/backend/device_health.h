/* device_health.h - which devices of a pool are well. The pool's lock is held in all of these. */
#ifndef SU_DEVICE_HEALTH_H
#define SU_DEVICE_HEALTH_H

#include "backend/device_pool_parts.h"

/* A run failed, or hung. at_once: one such is enough. */
void su_device_blame(SuDevicePool *pool, SuDevice *device, bool at_once, const char *message);

/* A call has not come back yet, which may be all right: the device is left alone until it has. */
void su_device_postpone(SuDevicePool *pool, SuDevice *device, const char *message);

/* A run was good. */
void su_device_praise(SuDevicePool *pool, SuDevice *device, uint32_t texts, uint32_t tokens,
                      uint64_t run_ns);

/* Whether its last run is not too long ago to tell its pace. */
bool su_device_pace_is_fresh(const SuDevice *device, uint64_t now);

/* In quarantine, which is over: it may be tried. */
bool su_device_is_due(const SuDevice *device, uint64_t now);

/* Outputs of models that a device does not support. */
bool su_device_refuses(const SuDevice *device, uint64_t serial, SutraOutput output);
void su_device_refuse(SuDevice *device, uint64_t serial, SutraOutput output);

#endif
