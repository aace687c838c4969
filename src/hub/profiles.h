/* profiles.h - the choice behind sutra_config_from_name, for a machine that the caller states. */
#ifndef SU_PROFILES_H
#define SU_PROFILES_H

#include "base/cpu_features.h"
#include "sutra_hub.h"

typedef struct SuHardware {
    uint32_t cores;
    SuIsa isa;
    uint64_t memory;                  /* bytes available; 0: not known */
    uint32_t computes;                /* bit mask of native ones: 1u << SutraCompute */
    int (*opens)(const char *family); /* sutra_family_is_known */
} SuHardware;

/* As the public functions. */
SutraStatus su_config_from_name(const char *profile, const SuHardware *hardware,
                                SutraConfig *config, SutraError *err);
SutraStatus su_config_for_dimension(uint32_t dim, const char *profile, const SuHardware *hardware,
                                    SutraConfig *config, SutraError *err);

#endif
