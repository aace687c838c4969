/* device_rate.h - how many tokens a second a device embeds with a model. */
#ifndef SU_DEVICE_RATE_H
#define SU_DEVICE_RATE_H

#include "sutra.h"

/* On an engine of its own with these options, but for devices, cache and log. Takes some 0.3 s once
 * the model is ready, more where four texts take longer. Errors: those of sutra_engine_create and
 * sutra_embed. */
SutraStatus su_device_rate(const SutraModel *model, const SutraEngineOptions *options,
                           const char *device, double *tokens_per_second, SutraError *err);

#endif
