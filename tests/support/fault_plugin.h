/* fault_plugin.h - sutra_fault.so, a plugin with eight devices that compute as the processor does, and
 * fail on command. A test opens the plugin once more and asks fault_device for a device's switch; for a
 * program, variables set those of all devices: FAULT_MODE=slow (a word for each mode that needs no
 * second command, see fault_plugin.c), FAULT_SLOW_US. */
#ifndef SU_FAULT_PLUGIN_H
#define SU_FAULT_PLUGIN_H

#include "sutra_backend.h"

#include <stdatomic.h>

enum { FAULT_DEVICES = 8 };

/* Of each device. */
#define FAULT_NAME "a \"faulty\" d\xc3\xa9vice \xe8\xae\xbe\xe5\xa4\x87"

typedef enum FaultMode {
    FAULT_NONE = 0,
    FAULT_ERROR,     /* run fails */
    FAULT_HANG,      /* run does not come back as long as the mode stays */
    FAULT_LOAD_HANG, /* nor does load */
    FAULT_SLOW,      /* a run takes slow_us longer */
    FAULT_NAN,       /* vectors of NaN, and no word of it */
    FAULT_ROWS,      /* rows of another size than was asked for */
    FAULT_GONE,      /* everything fails, its facts too */
    FAULT_REFUSES,   /* supports no model */
    FAULT_EMPTY,     /* context_create gives none, and no word of it */
    FAULT_LOAD_SLOW, /* load takes slow_us longer */
    FAULT_INFO_HANG, /* device_info does not come back as long as the mode stays */
    FAULT_MODES,
    FAULT_COUNT_HANG,  /* of device 0: device_count does not come back */
    FAULT_COUNT_FAILS, /* of device 0: it fails */
    FAULT_NO_DEVICES,  /* of device 0: it says that there are none */
    FAULT_FAST         /* run gives rows of 0.5 at once, and computes nothing */
} FaultMode;

typedef struct FaultDevice {
    _Atomic int mode; /* FaultMode */
    _Atomic int slow_us;
    _Atomic int runs, loads, unloads, contexts, context_frees;
    _Atomic int hanging;          /* calls */
    _Atomic int infos;            /* calls of device_info */
    _Atomic uint32_t largest_run; /* tokens */

    /* Of a device that is opened from now on; 0: 2 and 64. */
    _Atomic uint32_t lanes, preferred_tokens;

    _Atomic uint32_t refused_outputs; /* bit mask: supports says no to them */
    _Atomic int refuses_ranges;       /* run does */
    _Atomic uint32_t memory_tokens;   /* contexts for more have no memory; 0: all have */
    _Atomic uint32_t largest_context; /* tokens */
    _Atomic uint32_t most_tokens;     /* of a text, else run says LIMIT; 0: any number */
    _Atomic uint32_t nan_tokens;      /* texts of so many give NaN; 0: none */
    _Atomic int early_unloads;        /* of a model that has contexts */
    _Atomic int speaks;               /* run says so in the log */
} FaultDevice;

SUTRA_API FaultDevice *fault_device(uint32_t device);

#endif
