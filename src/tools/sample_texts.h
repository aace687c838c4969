/* sample_texts.h - texts that precisions are compared on where the user gives none. */
#ifndef SU_SAMPLE_TEXTS_H
#define SU_SAMPLE_TEXTS_H

enum { SU_SAMPLE_TEXTS = 20 };
extern const char *const su_sample_texts[SU_SAMPLE_TEXTS];

#endif
