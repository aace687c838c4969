/* fake_backend.h - the CPU backend behind a table of its own, which counts calls and fails on demand.
 * An engine uses it when a test sets engine->backend. One at a time in a process. */
#ifndef SU_FAKE_BACKEND_H
#define SU_FAKE_BACKEND_H

#include "sutra_backend.h"

#include <stdatomic.h>

typedef enum FakeStep {
    FAKE_NONE = 0,
    FAKE_SUPPORTS,
    FAKE_LOAD,
    FAKE_CONTEXT,
    FAKE_RUN,
    FAKE_RUN_ROWS, /* run succeeds with rows of another size than it was asked for */
    FAKE_RUN_ITEMS /* run succeeds with one row too few */
} FakeStep;

typedef struct FakeBackend {
    FakeStep fails;       /* with status */
    SutraStatus status;   /* of the step that fails */
    const char *message;  /* NULL: none is written */
    void (*on_run)(void); /* before each run; or NULL */
    _Atomic int supports_calls, loads, unloads, contexts, context_frees;
} FakeBackend;

extern FakeBackend fake; /* to be reset by the test */

const SutraBackend *fake_backend(void);

#endif
