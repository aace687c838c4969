/* tile_config.h - the shapes of AMX's eight tiles. */
#ifndef SU_TILE_CONFIG_H
#define SU_TILE_CONFIG_H

#include <stdint.h>

/* What LDTILECFG reads. */
typedef struct SuTileConfig {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} SuTileConfig;

/* Rows of 64 bytes: tiles 0 to 5 have `rows` (1 ... 16) of them, 6 and 7 have 16; all are zero. Not
 * the intrinsic: gcc 12 believes that it reads 8 bytes. */
static inline void su_configure_tiles(uint8_t rows)
{
    const SuTileConfig config = {.palette = 1,
                                 .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                 .rows = {rows, rows, rows, rows, rows, rows, 16, 16}};
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
}

#endif
