#include "keep_alive.h"

#include <string.h>

uint64_t su_keep_alive_of_seconds(double seconds)
{
    double nanoseconds = seconds * 1e9;
    if (!(nanoseconds >= 0) || nanoseconds >= (double)INT64_MAX) return SU_KEEP_ALIVE_EVER;
    return (uint64_t)nanoseconds;
}

/* Digits with at most one point among them; false: there are none. */
static bool read_number(SuText *text, double *number)
{
    double place = 1;
    bool in_fraction = false, has_digit = false;
    *number = 0;
    for (; text->size > 0; text->data++, text->size--) {
        char c = *text->data;
        if (c == '.' && !in_fraction) {
            in_fraction = true;
        } else if (c >= '0' && c <= '9') {
            has_digit = true;
            *number = *number * 10 + (c - '0');
            if (in_fraction) place *= 10;
        } else {
            break;
        }
    }
    *number /= place;
    return has_digit;
}

static bool read_unit(SuText *text, double *seconds)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"µs", 1e-6}, {"μs", 1e-6},
                 {"ms", 1e-3}, {"s", 1},     {"m", 60},    {"h", 3600}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t size = strlen(units[i].name);
        if (text->size < size || memcmp(text->data, units[i].name, size) != 0) continue;
        *seconds = units[i].seconds;
        text->data += size;
        text->size -= size;
        return true;
    }
    return false;
}

bool su_keep_alive_read(SuText text, uint64_t *nanoseconds)
{
    double sum = 0, number, unit;
    bool is_negative = text.size > 0 && *text.data == '-', is_alone = true;
    if (text.size > 64) return false;
    if (text.size > 0 && (*text.data == '-' || *text.data == '+')) {
        text.data++;
        text.size--;
    }
    do {
        if (!read_number(&text, &number)) return false;
        if (text.size == 0 && is_alone)
            unit = 1;
        else if (!read_unit(&text, &unit))
            return false;
        is_alone = false;
        sum += number * unit;
    } while (text.size > 0);
    *nanoseconds = su_keep_alive_of_seconds(is_negative && sum > 0 ? -1 : sum);
    return true;
}
