#include "bench_peak.h"

#include "kernels/x86/tile_config.h"

#include <immintrin.h>

enum { ROWS = 16, ROW_WORDS = 16, CHAINS = 4 };

double su_bench_tiles_bf16_amx(size_t rounds)
{
    su_configure_tiles(ROWS);
    for (size_t r = 0; r < rounds; r++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
    return 2.0 * CHAINS * ROWS * ROW_WORDS * (2.0 * ROW_WORDS) * (double)rounds;
}

double su_bench_tiles_int8_amx(size_t rounds)
{
    su_configure_tiles(ROWS);
    for (size_t r = 0; r < rounds; r++) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_release();
    return 2.0 * CHAINS * ROWS * ROW_WORDS * (4.0 * ROW_WORDS) * (double)rounds;
}
