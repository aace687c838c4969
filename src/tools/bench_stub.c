#include "sutra_tools.h"
SutraStatus sutra_bench_ablation(const SutraBenchOptions *o, SutraBenchReport **r, SutraError *e)
{
    (void)o;
    (void)r;
    (void)e;
    return SUTRA_E_UNSUPPORTED;
}
