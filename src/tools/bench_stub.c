#include "sutra_tools.h"
{
    (void)o;
    (void)r;
    (void)e;
    return 1;
}
SutraStatus sutra_bench_ablation(const SutraBenchOptions *o, SutraBenchReport **r, SutraError *e)
{
    (void)o;
    (void)r;
    (void)e;
    return 1;
}
