/* system_calls.h - see system_calls.c. */
#ifndef SU_TEST_SYSTEM_CALLS_H
#define SU_TEST_SYSTEM_CALLS_H

typedef struct SystemCalls {
    unsigned count; /* so far */
    unsigned kill_call, fail_call, fail_for_ever;
    unsigned unsynced; /* 1: bytes were written since the last fsync */
} SystemCalls;

extern SystemCalls system_calls;

#endif
