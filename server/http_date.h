/* http_date.h - the value of the header Date, which is written anew once a second. */
#ifndef SU_HTTP_DATE_H
#define SU_HTTP_DATE_H

#include <time.h>

/* Zero: none was written yet. */
typedef struct SuHttpDate {
    time_t second;
    char text[40];
} SuHttpDate;

/* "Mon, 30 Nov 2026 03:04:05 GMT" (RFC 9110), until the next call. */
const char *su_http_date(SuHttpDate *date);

#endif
