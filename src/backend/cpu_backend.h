/* cpu_backend.h - the CPU as a backend: fills the plugin table over src/encoder. */
#ifndef SU_CPU_BACKEND_H
#define SU_CPU_BACKEND_H

#include "sutra_backend.h"

const SutraBackend *su_cpu_backend(void);

#endif
