/* window_case.h - models and texts of tests of windows. The tests' state is the WindowFixture. */
#ifndef SU_WINDOW_CASE_H
#define SU_WINDOW_CASE_H

#include "support/tiny_engine.h"

enum { HIDDEN = 64, MAX_TOKENS = 12, LONGEST = 400 };

typedef struct WindowFixture {
    char *path;
    SutraModel *plain, *normalized, *cut; /* no Normalize; with it; truncate_dim after it */
    SutraEngine *engine;
} WindowFixture;

int window_set_up(void **state);
int window_tear_down(void **state);

typedef struct WindowText {
    char text[2 * LONGEST + 1];
    int32_t ids[LONGEST]; /* [size] without special tokens */
    size_t size;
} WindowText;

/* Letters, a token each. */
void window_text(const WindowFixture *f, size_t size, uint32_t *random, WindowText *text);

#endif
