#include "support/fault_control.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64, MOST_TEXTS = 400, TEXT = 64 };

static FaultDevice *(*find_switch)(uint32_t device);

FaultDevice *fault_switch(uint32_t device) { return find_switch(device); }

void fault_engine_open(FaultEngine *fault, const char *plugins, const char *devices,
                       const SutraEngineOptions *options)
{
    SutraEngineOptions own = options ? *options : (SutraEngineOptions){0};
    SutraError err = {0};
    char path[4096];
    own.struct_size = sizeof own;
    if (!own.num_threads) own.num_threads = 2;
    own.devices = devices;
    own.plugins = plugins;
    snprintf(path, sizeof path, "%s/sutra_fault.so", plugins);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail_msg("%s", dlerror());
    *(void **)&find_switch = dlsym(library, "fault_device");
    assert_non_null(find_switch);
    for (uint32_t d = 0; d < FAULT_DEVICES; d++) memset(fault_switch(d), 0, sizeof(FaultDevice));
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 1, 64, 128, NULL, 8}, &own, &fault->tiny);
    fault->patient = own.device_timeout_ms != 0;
    const SutraEngineOptions plain = {.struct_size = sizeof plain, .num_threads = 1};
    if (sutra_engine_create(&plain, &fault->plain, &err) != SUTRA_OK) fail_msg("%s", err.message);
}

void fault_engine_close(FaultEngine *fault)
{
    for (uint32_t d = 0; d < FAULT_DEVICES; d++) fault_switch(d)->mode = FAULT_NONE;
    tiny_engine_close(&fault->tiny);
    sutra_engine_free(fault->plain);
}

void fault_add_device(FaultEngine *fault, const char *device)
{
    SutraError err = {0};
    if (sutra_engine_add_device(fault->tiny.engine, device, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
}

void fault_drop_device(FaultEngine *fault, const char *device)
{
    SutraError err = {0};
    if (sutra_engine_remove_device(fault->tiny.engine, device, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
}

void fault_check_bytes(FaultEngine *fault, size_t n)
{
    static char texts[MOST_TEXTS][TEXT];
    static SutraInput inputs[MOST_TEXTS];
    static float rows[2][MOST_TEXTS][HIDDEN];
    SutraError err = {0};
    assert_true(n <= MOST_TEXTS);
    for (size_t i = 0; i < n; i++) {
        size_t size = 1 + i * 7 % (TEXT - 1);
        for (size_t c = 0; c < size; c++) texts[i][c] = c % 2 ? ' ' : (char)('a' + (i + c) % 26);
        inputs[i] = (SutraInput){.text = texts[i], .text_size = size};
    }
    SutraEngine *const engines[] = {fault->plain, fault->tiny.engine};
    for (int e = 0; e < 2; e++) {
        memset(rows[e], 0, sizeof rows[e]);
        SutraStatus status;
        do
            status = sutra_embed_into(engines[e], fault->tiny.model, inputs, n, NULL, rows[e],
                                      sizeof rows[e], NULL, &err);
        while (fault->patient && status == SUTRA_E_DEVICE);
        if (status != SUTRA_OK) fail_msg("%s", err.message);
    }
    assert_memory_equal(rows[0], rows[1], sizeof rows[0]);
}

/* The statistics of a device, from its name on. */
static const char *report_of(const FaultEngine *fault, const char *device, char json[16384])
{
    SutraError err = {0};
    char name[64];
    if (sutra_engine_stats(fault->tiny.engine, json, 16384, NULL, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    snprintf(name, sizeof name, "\"name\": \"%s\"", device);
    const char *at = strstr(json, name);
    if (!at) fail_msg("no %s in %s", name, json);
    return at;
}

uint64_t fault_count(const FaultEngine *fault, const char *device, const char *name)
{
    char json[16384], key[64];
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = strstr(report_of(fault, device, json), key);
    assert_non_null(at);
    return strtoull(at + strlen(key), NULL, 10);
}

bool fault_is(const FaultEngine *fault, const char *device, const char *state)
{
    char json[16384], wanted[64];
    snprintf(wanted, sizeof wanted, "\"state\": \"%s\"", state);
    const char *at = report_of(fault, device, json);
    const char *end = strchr(at, '}');
    const char *found = strstr(at, wanted);
    return found && found < end;
}
