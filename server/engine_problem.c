#include "engine_problem.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    int status;
    const char *code;
} of_status[] = {
    [SUTRA_OK] = {500, "internal_error"},
    [SUTRA_E_ARGUMENT] = {400, NULL},
    [SUTRA_E_MEMORY] = {503, "out_of_memory"},
    [SUTRA_E_IO] = {500, "internal_error"},
    [SUTRA_E_FORMAT] = {500, "internal_error"},
    [SUTRA_E_UNSUPPORTED] = {400, "unsupported"},
    [SUTRA_E_LIMIT] = {400, "context_length_exceeded"},
    [SUTRA_E_NUMERIC] = {500, "not_a_number"},
    [SUTRA_E_DEVICE] = {503, "device_failed"},
    [SUTRA_E_BUSY] = {429, "rate_limit_exceeded"},
    [SUTRA_E_TIMEOUT] = {503, "timeout"},
    [SUTRA_E_CANCELLED] = {503, "stopping"},
    [SUTRA_E_ABI] = {500, "internal_error"},
    [SUTRA_E_END] = {500, "internal_error"},
};

bool su_problem_set(SuProblem *problem, int status, const char *code, const char *param,
                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(problem->message, sizeof problem->message, format, args);
    va_end(args);
    problem->http = (SuHttpProblem){status, code, param, problem->message, 0};
    return false;
}

void su_problem_of_engine(SuProblem *problem, const SutraError *err)
{
    size_t place = (size_t)err->status < sizeof of_status / sizeof *of_status ? err->status : 0;
    su_problem_set(problem, of_status[place].status, of_status[place].code,
                   err->has_item ? "input" : NULL, "%s", err->message);
}
