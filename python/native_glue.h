/* native_glue.h - what sutra._native has beside the public headers: texts of Python objects without
 * copies, lines of the engine's log, and notices of what is done for the thread that waits for
 * them. */
#ifndef SUTRA_NATIVE_GLUE_H
#define SUTRA_NATIVE_GLUE_H

#include "sutra.h"
#include "sutra_hub.h"
#include "sutra_search.h"
#include "sutra_tools.h"

/* Points inputs [n] at the UTF-8 of a tuple's strings (its address), which must outlive them, and
 * sets their prompt_name. Takes the GIL. *bytes: of all texts. Returns n, or the index of the first
 * item that is not a string or has no UTF-8 (a lone surrogate). */
size_t glue_texts(uintptr_t tuple, SutraInput *inputs, size_t n, const char *prompt_name,
                  uint64_t *bytes);

/* The same for one string: 1, or 0 where it has no UTF-8. */
int glue_text(uintptr_t string, SutraInput *input, const char *prompt_name);

/* Items with SUTRA_ITEM_TRUNCATED. */
size_t glue_truncated(const SutraItem *items, size_t n);

/* SutraEngineOptions.log: keeps a line; the oldest one gives way to the 64th. Any thread. */
void glue_log(void *user, int level, const char *line);

/* Lines kept. */
unsigned glue_log_count(void);

/* Takes the oldest line kept: 1, or 0 when there is none. *lost: lines that gave way before it. */
int glue_log_take(int *level, char *line, size_t capacity, unsigned *lost);

/* A notice that something is done; posted once by a job, any number of times by a stream. */
typedef struct GlueNotice {
    struct GlueNotice *next;
    uint64_t id;
    int is_listed;
    SutraResult *result; /* of a job; the notice's until taken */
    SutraError error;    /* of a job */
} GlueNotice;

GlueNotice *glue_notice_create(uint64_t id); /* NULL: no memory */

/* No more posts may come. */
void glue_notice_free(GlueNotice *notice);

/* SutraDone; user: a notice. */
void glue_job_done(void *user, SutraResult *result, const SutraError *error);

/* SutraStreamOptions.ready; user: a notice. */
void glue_stream_ready(void *user);

/* Waits for a notice that was posted, takes it off the list and returns its id. */
uint64_t glue_notice_wait(void);

/* In the child of a fork: no lock is held, nothing is listed. */
void glue_after_fork(void);

/* getenv, for sutra_cache_directory and sutra_hub_environment. */
char *glue_environment(const char *variable);

/* sutra_hub_pull of the library at `path`. */
SutraStatus glue_hub_pull(const char *path, const char *name, const SutraHubOptions *options,
                          SutraHubResult *result, SutraError *err);

#endif
