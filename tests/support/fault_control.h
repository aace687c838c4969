/* fault_control.h - engines with the devices of sutra_fault.so, and the switches of those. A test that
 * uses it is compiled with the plugins' folder as PLUGINS. */
#ifndef SU_FAULT_CONTROL_H
#define SU_FAULT_CONTROL_H

#include "support/fault_plugin.h"
#include "support/tiny_engine.h"

#include <stdbool.h>

typedef struct FaultEngine {
    TinyEngine tiny;
    SutraEngine *plain; /* the processor alone */
    bool patient; /* it was given a timeout, which a healthy device may miss on a busy machine */
} FaultEngine;

/* A tiny model; options may be NULL. devices: of the engine. All devices of the plugin are well. */
void fault_engine_open(FaultEngine *fault, const char *plugins, const char *devices,
                       const SutraEngineOptions *options);
void fault_engine_close(FaultEngine *fault);

/* The plugin is open. */
FaultDevice *fault_switch(uint32_t device);

void fault_add_device(FaultEngine *fault, const char *device);
void fault_drop_device(FaultEngine *fault, const char *device);

/* Embeds n texts of some tokens each with both engines: the bytes must be equal. A patient one does
 * so until no device was late. */
void fault_check_bytes(FaultEngine *fault, size_t n);

/* A number of the engine's statistics, of a device: fault_count(fault, "fault:0", "runs"). */
uint64_t fault_count(const FaultEngine *fault, const char *device, const char *name);

/* Whether the statistics of a device have this state. */
bool fault_is(const FaultEngine *fault, const char *device, const char *state);

#endif
