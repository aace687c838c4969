/* log.h - lines for whoever an options struct names to hear them. */
#ifndef SU_LOG_H
#define SU_LOG_H

enum { SU_LOG_WARNING = 1, SU_LOG_INFO = 2 };

/* One line, cut at 511 bytes; nothing where log is NULL. */
void su_log(void (*log)(void *user, int level, const char *line), void *user, int level,
            const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
