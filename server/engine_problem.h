/* engine_problem.h - the one table from what the engine says to what HTTP says. */
#ifndef SU_ENGINE_PROBLEM_H
#define SU_ENGINE_PROBLEM_H

#include "http_exchange.h"
#include "sutra.h"

/* A problem and room for its words. */
typedef struct SuProblem {
    SuHttpProblem http; /* message points into `message`, or at something static */
    char message[600];
} SuProblem;

/* Fills *problem and returns false. */
bool su_problem_set(SuProblem *problem, int status, const char *code, const char *param,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* What a request failed with in the engine. */
void su_problem_of_engine(SuProblem *problem, const SutraError *err);

#endif
