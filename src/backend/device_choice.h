/* device_choice.h - which device of a pool takes a batch. The pool's lock is held. */
#ifndef SU_DEVICE_CHOICE_H
#define SU_DEVICE_CHOICE_H

#include "backend/device_pool_parts.h"

/* It has a free lane for a batch of so many tokens. */
bool su_device_has_room(const SuDevice *device, uint32_t tokens);

/* Of devices [count] that might take it, the one that the pool's policy names: of those with a free
 * lane, but the fastest may be worth a wait. NULL: none for now. */
SuDevice *su_device_by_policy(SuDevicePool *pool, SuDevice *const *devices, uint32_t count,
                              uint32_t tokens);

#endif
