#include "kernels/x86/kernels_x86.h"

void su_kernels_init_avx2(SuKernels *kernels) { (void)kernels; }
