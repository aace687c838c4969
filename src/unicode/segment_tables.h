/* segment_tables.h - the generated table of segment.c. */
#ifndef SU_SEGMENT_TABLES_H
#define SU_SEGMENT_TABLES_H

#include <stdint.h>

/* Places in the lists of tools/generate_segment_tables.py, from 1; 0: Other. */
typedef struct SuSegmentClass {
    uint8_t cluster, word, sentence, pictographic;
} SuSegmentClass;

extern const SuSegmentClass su_segment_classes[];
/* blocks[index[c >> 7] << 7 | c & 127] */
extern const uint16_t su_segment_index[0x110000 / 128];
extern const uint8_t su_segment_blocks[];

#endif
