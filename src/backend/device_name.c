#include "backend/device_name.h"

#include "base/status.h"

#include <string.h>

bool su_device_list_next(const char **at, const char **name, size_t *size)
{
    if (!**at) return false;
    *name = *at;
    *size = strcspn(*at, ",");
    *at += *size;
    if (**at) (*at)++;
    return true;
}

/* Decimal digits below `limit`; moves *at behind them. */
static bool read_number(const char **at, const char *end, uint32_t limit, uint32_t *number)
{
    const char *start = *at;
    uint64_t value = 0;
    while (*at < end && **at >= '0' && **at <= '9' && value < limit)
        value = value * 10 + (uint64_t)(*(*at)++ - '0');
    *number = (uint32_t)value;
    return *at > start && value < limit;
}

/* "0-3+8" */
static bool read_cores(const char *at, const char *end, SuDeviceName *name)
{
    while (at < end) {
        uint32_t first, last;
        if (!read_number(&at, end, SU_DEVICE_CORES, &first)) return false;
        last = first;
        if (at < end && *at == '-') {
            at++;
            if (!read_number(&at, end, SU_DEVICE_CORES, &last) || last < first) return false;
        }
        for (uint32_t core = first; core <= last; core++) {
            uint8_t bit = (uint8_t)(1u << core % 8);
            if (name->cores[core / 8] & bit) return false;
            name->cores[core / 8] |= bit;
            name->num_cores++;
        }
        if (at < end && *at++ != '+') return false;
        if (at == end && at[-1] == '+') return false;
    }
    return name->num_cores > 0;
}

SutraStatus su_device_name_parse(const char *text, size_t size, SuDeviceName *name, SutraError *err)
{
    *name = (SuDeviceName){0};
    if (size == 0 || size >= sizeof name->text)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "a device's name has 1 to %zu characters",
                 sizeof name->text - 1);
    memcpy(name->text, text, size);
    const char *end = name->text + size, *at = name->text + strcspn(name->text, ":@");
    memcpy(name->backend, name->text, (size_t)(at - name->text));
    size_t plain = strspn(name->backend, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    bool good = at > name->text && plain == strlen(name->backend);
    if (good && at < end && *at == ':') {
        at++;
        good = read_number(&at, end, 1024, &name->index);
    }
    if (good && at < end) good = *at == '@' && read_cores(at + 1, end, name);
    if (!good)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "device \"%s\": a name is BACKEND, BACKEND:NUMBER or BACKEND@CORES, like cpu, "
                 "cuda:1 or cpu@0-3+8",
                 name->text);
    return SUTRA_OK;
}
