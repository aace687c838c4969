/* sutra.h: sutra_device_choose. Asks backends for their devices, has those that answer measured. */
#include "api/device_rate.h"
#include "backend/device_facts.h"
#include "backend/plugin.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "pipeline/engine.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CANDIDATES = 8, NUMBER_SIZE = 40 };

/* ---- what plugins say while they are opened ---- */

/* The first of their complaints. */
typedef struct Heard {
    SuPluginListener listener;
    char line[400];
} Heard;

static void hear(void *user, int level, const char *line)
{
    Heard *heard = user;
    if (level <= SU_LOG_WARNING && !heard->line[0])
        snprintf(heard->line, sizeof heard->line, "%s", line);
}

static SutraStatus open_plugins(const char *folder, Heard *heard, SutraError *err)
{
    *heard = (Heard){.listener = {.log = hear, .user = heard}};
    su_plugins_listen(&heard->listener);
    SutraStatus status = su_plugins_open(folder, err);
    su_plugins_unlisten(&heard->listener);
    return status;
}

/* ---- one device by name ---- */

/* Backends that are not plugins of a stranger: a name of theirs is no misspelling. */
static bool is_ours(const char *backend) { return strcmp(backend, "cuda") == 0; }

static uint64_t timeout_of(const SutraEngineOptions *options)
{
    uint64_t given = (uint64_t)options->device_timeout_ms * 1000000u;
    return given ? given : SU_DEVICE_TIMEOUT_NS;
}

static void fall_back(SutraDeviceChoice *choice, const char *why)
{
    choice->fell_back = 1;
    snprintf(choice->device, sizeof choice->device, "cpu");
    snprintf(choice->reason, sizeof choice->reason, "%s; the processor is used instead", why);
}

static SutraStatus choose_named(const char *device, const SutraEngineOptions *options,
                                SutraDeviceChoice *choice, SutraError *err)
{
    SuDeviceName name;
    Heard heard;
    SutraDeviceInfo info = {.struct_size = sizeof info};
    SutraError reason = {0};
    SU_TRY(su_device_name_parse(device, strlen(device), &name, err));
    snprintf(choice->device, sizeof choice->device, "%s", name.text);
    if (strcmp(name.backend, "cpu") == 0) return SUTRA_OK;
    SU_TRY(open_plugins(options->plugins, &heard, err));
    const SutraBackend *backend = su_backend_find(name.backend);
    if (backend) {
        SutraStatus status = su_device_facts(&name, backend, timeout_of(options), &info, &reason);
        if (status == SUTRA_E_MEMORY || status == SUTRA_E_LIMIT)
            SU_RAISE(err, status, "%s", reason.message);
        if (status != SUTRA_OK && status != SUTRA_E_ARGUMENT) fall_back(choice, reason.message);
    } else if (is_ours(name.backend)) {
        char why[sizeof heard.line + 128];
        snprintf(why, sizeof why, "device \"%s\": %s%s%s", name.text,
                 heard.line[0] ? "" : "there is no plugin for it",
                 heard.line[0] || options->plugins ? "" : ", nor a folder of plugins", heard.line);
        fall_back(choice, why);
    }
    return SUTRA_OK;
}

/* ---- auto ---- */

typedef struct Candidate {
    SuDeviceName name;
    char title[SU_DEVICE_NAME_SIZE + 72]; /* "cuda:0 (NVIDIA H200)", "the processor" */
    double rate;
    SutraError problem;
} Candidate;

static void append(SutraDeviceChoice *choice, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(SutraDeviceChoice *choice, const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(choice->reason);
    va_start(arguments, format);
    vsnprintf(choice->reason + used, sizeof choice->reason - used, format, arguments);
    va_end(arguments);
}

/* "1,230,000": three digits that say something. */
static const char *rate_text(double rate, char text[NUMBER_SIZE])
{
    double unit = rate >= 1000 ? pow(10, floor(log10(rate)) - 2) : 1;
    char digits[NUMBER_SIZE];
    int size = snprintf(digits, sizeof digits, "%.0f", round(rate / unit) * unit);
    size_t used = 0;
    for (int i = 0; i < size && used + 2 < NUMBER_SIZE; i++) {
        if (i && (size - i) % 3 == 0) text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

/* Devices 0 of the backends that have one, behind the processor; what the others say is appended to
 * the reason. Returns how many there are. */
static uint32_t find_candidates(const SutraEngineOptions *options, Candidate *candidates,
                                SutraDeviceChoice *choice)
{
    uint32_t count = 1;
    const char *backend;
    candidates[0] = (Candidate){.name = {.text = "cpu"}, .title = "the processor"};
    for (uint32_t i = 1; count < CANDIDATES && (backend = su_backend_name(i)); i++) {
        Candidate *candidate = &candidates[count];
        SutraDeviceInfo info = {.struct_size = sizeof info};
        char text[SU_DEVICE_NAME_SIZE];
        int size = snprintf(text, sizeof text, "%s:0", backend);
        SutraError *problem = &candidate->problem;
        *candidate = (Candidate){.rate = 0};
        SutraStatus status = su_device_name_parse(text, (size_t)size, &candidate->name, problem);
        if (status == SUTRA_OK)
            status = su_device_facts(&candidate->name, su_backend_find(backend),
                                     timeout_of(options), &info, problem);
        if (status != SUTRA_OK) {
            append(choice, "; %s", problem->message);
            continue;
        }
        snprintf(candidate->title, sizeof candidate->title, "%s (%s)", text, info.name);
        count++;
    }
    return count;
}

static void tell_rates(const Candidate *candidates, uint32_t count, const Candidate *best,
                       SutraDeviceChoice *choice)
{
    char number[NUMBER_SIZE], others[sizeof choice->reason];
    snprintf(others, sizeof others, "%s", choice->reason);
    choice->reason[0] = '\0';
    append(choice, "%s: %s tokens/s", best->title, rate_text(best->rate, number));
    for (uint32_t i = 0; i < count; i++)
        if (&candidates[i] != best && candidates[i].problem.status == SUTRA_OK)
            append(choice, ", %s %s", candidates[i].title, rate_text(candidates[i].rate, number));
    for (uint32_t i = 0; i < count; i++)
        if (candidates[i].problem.status != SUTRA_OK)
            append(choice, "; %s: %s", candidates[i].title,
                   candidates[i].problem.message + candidates[i].problem.reason);
    append(choice, "%s", others);
}

static SutraStatus measure_all(const SutraModel *model, const SutraEngineOptions *options,
                               Candidate *candidates, uint32_t count, SutraDeviceChoice *choice,
                               SutraError *err)
{
    const Candidate *best = &candidates[0];
    SU_TRY(su_device_rate(model, options, "cpu", &candidates[0].rate, err));
    for (uint32_t i = 1; i < count; i++) {
        Candidate *candidate = &candidates[i];
        SutraStatus status = su_device_rate(model, options, candidate->name.text, &candidate->rate,
                                            &candidate->problem);
        candidate->problem.status = status;
        if (status == SUTRA_OK && candidate->rate > best->rate) best = candidate;
    }
    snprintf(choice->device, sizeof choice->device, "%s", best->name.text);
    choice->tokens_per_second = best->rate;
    tell_rates(candidates, count, best, choice);
    return SUTRA_OK;
}

static SutraStatus choose_fastest(const SutraModel *model, const SutraEngineOptions *options,
                                  SutraDeviceChoice *choice, SutraError *err)
{
    Heard heard;
    if (!model) SU_RAISE(err, SUTRA_E_ARGUMENT, "devices \"auto\" are measured: model is NULL");
    SU_TRY(open_plugins(options->plugins, &heard, err));
    Candidate *candidates = su_calloc(CANDIDATES, sizeof *candidates);
    if (!candidates) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    if (heard.line[0]) append(choice, "; %s", heard.line);
    uint32_t count = find_candidates(options, candidates, choice);
    SutraStatus status = SUTRA_OK;
    if (count > 1) {
        status = measure_all(model, options, candidates, count, choice, err);
    } else if (choice->reason[0]) {
        char others[sizeof choice->reason];
        snprintf(others, sizeof others, "%s", choice->reason);
        choice->reason[0] = '\0';
        append(choice, "the processor, there is no other%s", others);
    }
    su_free(candidates);
    return status;
}

SutraStatus sutra_device_choose(const SutraModel *model, const SutraEngineOptions *options,
                                SutraDeviceChoice *choice, SutraError *err)
{
    SutraEngineOptions o;
    if (!choice) SU_RAISE(err, SUTRA_E_ARGUMENT, "choice is NULL");
    if (choice->struct_size < sizeof *choice)
        SU_RAISE(err, SUTRA_E_ABI, "SutraDeviceChoice: struct_size is not set");
    SU_TRY(su_options_read(&o, sizeof o, options, "SutraEngineOptions", err));
    *choice = (SutraDeviceChoice){.struct_size = sizeof *choice, .device = "cpu"};
    if (!o.devices) return SUTRA_OK;
    if (strcmp(o.devices, "auto") == 0) return choose_fastest(model, &o, choice, err);
    if (strchr(o.devices, ','))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "devices \"%s\": one is chosen, not several", o.devices);
    return choose_named(o.devices, &o, choice, err);
}
