#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

SutraStatus(su_error_set)(SutraError *err, SutraStatus status, const char *format, ...)
{
    if (!err) return status;
    err->status = status;
    err->has_item = err->reason = 0;
    err->item = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    for (char *c = err->message; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    return status;
}

SutraStatus su_error_set_item(SutraError *err, SutraStatus status, size_t item, bool named,
                              const char *reason)
{
    if (!err) return status;
    char prefix[32] = "";
    if (named) snprintf(prefix, sizeof prefix, "item %zu: ", item);
    (su_error_set)(err, status, "%s%s", prefix, reason);
    err->reason = (uint16_t)strlen(prefix);
    err->has_item = item <= UINT32_MAX;
    err->item = err->has_item ? (uint32_t)item : 0;
    return status;
}

void su_error_clear(SutraError *err)
{
    if (!err) return;
    err->status = SUTRA_OK;
    err->has_item = err->reason = 0;
    err->item = 0;
    err->message[0] = '\0';
}

const char *sutra_status_name(SutraStatus status)
{
    static const char *const names[] = {
        [SUTRA_OK] = "SUTRA_OK",
        [SUTRA_E_ARGUMENT] = "SUTRA_E_ARGUMENT",
        [SUTRA_E_MEMORY] = "SUTRA_E_MEMORY",
        [SUTRA_E_IO] = "SUTRA_E_IO",
        [SUTRA_E_FORMAT] = "SUTRA_E_FORMAT",
        [SUTRA_E_UNSUPPORTED] = "SUTRA_E_UNSUPPORTED",
        [SUTRA_E_LIMIT] = "SUTRA_E_LIMIT",
        [SUTRA_E_NUMERIC] = "SUTRA_E_NUMERIC",
        [SUTRA_E_DEVICE] = "SUTRA_E_DEVICE",
        [SUTRA_E_BUSY] = "SUTRA_E_BUSY",
        [SUTRA_E_TIMEOUT] = "SUTRA_E_TIMEOUT",
        [SUTRA_E_CANCELLED] = "SUTRA_E_CANCELLED",
        [SUTRA_E_ABI] = "SUTRA_E_ABI",
        [SUTRA_E_END] = "SUTRA_E_END",
    };
    if ((unsigned)status >= sizeof names / sizeof *names) return "SUTRA_E_UNKNOWN";
    return names[status];
}

const char *sutra_compute_name(SutraCompute compute)
{
    static const char *const names[] = {
        [SUTRA_COMPUTE_DEFAULT] = "default", [SUTRA_COMPUTE_FP32] = "fp32",
        [SUTRA_COMPUTE_BF16] = "bf16",       [SUTRA_COMPUTE_FP16] = "fp16",
        [SUTRA_COMPUTE_INT8] = "int8",       [SUTRA_COMPUTE_INT4W] = "int4w",
        [SUTRA_COMPUTE_FP8] = "fp8",
    };
    if ((unsigned)compute >= sizeof names / sizeof *names) return "unknown";
    return names[compute];
}

const char *sutra_version(void)
{
#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)
    return TEXT(SUTRA_VERSION_MAJOR) "." TEXT(SUTRA_VERSION_MINOR) "." TEXT(SUTRA_VERSION_PATCH);
}
