#include "http_date.h"

#include <stdio.h>

const char *su_http_date(SuHttpDate *date)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm parts;
    if (now == date->second || !gmtime_r(&now, &parts)) return date->text;
    date->second = now;
    snprintf(date->text, sizeof date->text, "%s, %02u %s %04u %02u:%02u:%02u GMT",
             days[parts.tm_wday % 7], (unsigned)parts.tm_mday % 100, months[parts.tm_mon % 12],
             (unsigned)(parts.tm_year + 1900) % 10000, (unsigned)parts.tm_hour % 100,
             (unsigned)parts.tm_min % 100, (unsigned)parts.tm_sec % 100);
    return date->text;
}
