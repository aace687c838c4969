#include "console.h"

#include "atomic_file.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic bool progress_drawn;
static double progress_start;

/* What a terminal obeys becomes "?": control characters, and U+0080 … U+009F. */
static void mask_controls(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) text[i] = '?';
        bool c1 = i && text[i - 1] == '\xC2' && (unsigned char)text[i] - 0x80u < 0x20;
        if (c1) text[i - 1] = text[i] = '?';
    }
}

/* Writes `text` and a newline in one call, so that lines of several processes do not mix. */
static void say(char *text, size_t capacity)
{
    size_t size = strnlen(text, capacity - 1);
    mask_controls(text, size);
    cli_progress_clear();
    text[size] = '\n';
    fwrite(text, 1, size + 1, stderr);
    fflush(stderr);
}

static void say_prefixed(const char *format, va_list args)
{
    char text[2048] = "sutra: ";
    size_t used = strlen(text);
    vsnprintf(text + used, sizeof text - used, format, args);
    say(text, sizeof text);
}

void cli_message(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_prefixed(format, args);
    va_end(args);
}

int cli_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_prefixed(format, args);
    va_end(args);
    return CLI_FAILURE;
}

int cli_usage(const char *command, const char *format, ...)
{
    char text[2048], reason[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    const char *space = command[0] ? " " : "";
    snprintf(text, sizeof text, "sutra%s%s: %s (see sutra%s%s --help)", space, command, reason,
             space, command);
    say(text, sizeof text);
    return CLI_USAGE;
}

SutraStatus cli_raise(SutraError *err, SutraStatus status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    *err = (SutraError){.status = status};
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* True when standard error is a terminal and the last line was drawn long enough ago. */
static bool progress_due(void)
{
    static double last;
    static int terminal = -1;
    if (terminal < 0) terminal = isatty(STDERR_FILENO);
    if (!terminal) return false;
    double now = seconds_now();
    if (now - last < 0.25) return false;
    last = now;
    return true;
}

void cli_progress_line(const char *format, ...)
{
    if (!progress_due()) return;
    va_list args;
    va_start(args, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, args);
    fflush(stderr);
    va_end(args);
    progress_drawn = true;
}

void cli_progress_begin(void) { progress_start = seconds_now(); }

/* "1:05", "2:03:04" */
static void clock_text(double seconds, char *text, size_t capacity)
{
    uint64_t whole = seconds < 1e9 ? (uint64_t)(seconds + 0.5) : (uint64_t)1e9;
    unsigned s = whole % 60, m = whole / 60 % 60;
    if (whole < 3600)
        snprintf(text, capacity, "%u:%02u", m, s);
    else
        snprintf(text, capacity, "%llu:%02u:%02u", (unsigned long long)(whole / 3600), m, s);
}

void cli_progress(const char *what, uint64_t count, uint64_t bytes, uint64_t total_bytes)
{
    if (progress_start == 0) cli_progress_begin();
    double elapsed = seconds_now() - progress_start;
    double rate = elapsed > 0 ? (double)count / elapsed : 0;
    if (!total_bytes || !bytes) {
        cli_progress_line("%llu %s  %.0f/s", (unsigned long long)count, what, rate);
        return;
    }
    char left[32];
    double share = (double)bytes / (double)total_bytes;
    if (share > 1) share = 1; /* the file grew */
    clock_text(elapsed * (1 - share) / share, left, sizeof left);
    cli_progress_line("%llu %s  %.0f%%  %.0f/s  ETA %s", (unsigned long long)count, what,
                      100 * share, rate, left);
}

void cli_progress_clear(void)
{
    if (!progress_drawn) return;
    fputs("\r\033[K", stderr);
    progress_drawn = false;
}

static void *require(void *memory)
{
    if (memory) return memory;
    cli_remove_temporary_files();
    cli_message("out of memory");
    _exit(CLI_FAILURE);
}

void *cli_alloc(size_t count, size_t size)
{
    return require(calloc(count ? count : 1, size ? size : 1));
}

void *cli_realloc(void *memory, size_t count, size_t size)
{
    return require(reallocarray(memory, count ? count : 1, size ? size : 1));
}

char *cli_strdup(const char *text) { return require(strdup(text)); }
