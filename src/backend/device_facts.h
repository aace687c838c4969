/* device_facts.h - what a device says of itself, within a limited time. */
#ifndef SU_DEVICE_FACTS_H
#define SU_DEVICE_FACTS_H

#include "backend/device_name.h"
#include "sutra_backend.h"

/* Of a run, and of a device asked for its facts, where no other time is given. */
#define SU_DEVICE_TIMEOUT_NS 30000000000u

/* Asks device_count and device_info. A call that takes longer than timeout_ns is left to its
 * thread, which ends with it. Errors: what they say; DEVICE (too long; the backend has no
 * device), ARGUMENT (it has none of this number), LIMIT (no thread), MEMORY. */
SutraStatus su_device_facts(const SuDeviceName *name, const SutraBackend *backend,
                            uint64_t timeout_ns, SutraDeviceInfo *info, SutraError *err);

#endif
