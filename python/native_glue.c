/* Calls come from cffi, which has released the GIL; those that touch objects take it. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "native_glue.h"

/* ---- texts ---- */

static int point_at(PyObject *string, SutraInput *input, const char *prompt_name)
{
    Py_ssize_t size;
    const char *text = PyUnicode_Check(string) ? PyUnicode_AsUTF8AndSize(string, &size) : NULL;
    if (!text) {
        PyErr_Clear();
        return 0;
    }
    input->text = text;
    input->text_size = (size_t)size;
    input->prompt_name = prompt_name;
    return 1;
}

size_t glue_texts(uintptr_t tuple, SutraInput *inputs, size_t n, const char *prompt_name,
                  uint64_t *bytes)
{
    PyGILState_STATE state = PyGILState_Ensure();
    size_t i = 0;
    *bytes = 0;
    while (i < n &&
           point_at(PyTuple_GetItem((PyObject *)tuple, (Py_ssize_t)i), &inputs[i], prompt_name))
        *bytes += inputs[i++].text_size;
    PyGILState_Release(state);
    return i;
}

int glue_text(uintptr_t string, SutraInput *input, const char *prompt_name)
{
    PyGILState_STATE state = PyGILState_Ensure();
    int is_text = point_at((PyObject *)string, input, prompt_name);
    PyGILState_Release(state);
    return is_text;
}

size_t glue_truncated(const SutraItem *items, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += (items[i].flags & SUTRA_ITEM_TRUNCATED) != 0;
    return count;
}

/* ---- the log ---- */

enum { LOG_LINES = 64 };

typedef struct LogLine {
    int level;
    char text[512];
} LogLine;

static struct {
    pthread_mutex_t lock;
    LogLine lines[LOG_LINES]; /* a ring */
    unsigned first, count, lost;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

void glue_log(void *user, int level, const char *line)
{
    (void)user;
    pthread_mutex_lock(&kept.lock);
    if (kept.count == LOG_LINES) {
        kept.first = (kept.first + 1) % LOG_LINES;
        kept.count--;
        kept.lost++;
    }
    LogLine *place = &kept.lines[(kept.first + kept.count++) % LOG_LINES];
    place->level = level;
    snprintf(place->text, sizeof place->text, "%s", line);
    pthread_mutex_unlock(&kept.lock);
}

unsigned glue_log_count(void)
{
    pthread_mutex_lock(&kept.lock);
    unsigned count = kept.count;
    pthread_mutex_unlock(&kept.lock);
    return count;
}

int glue_log_take(int *level, char *line, size_t capacity, unsigned *lost)
{
    pthread_mutex_lock(&kept.lock);
    int is_there = kept.count > 0;
    if (is_there) {
        const LogLine *oldest = &kept.lines[kept.first];
        *level = oldest->level;
        snprintf(line, capacity, "%s", oldest->text);
        *lost = kept.lost;
        kept.lost = 0;
        kept.first = (kept.first + 1) % LOG_LINES;
        kept.count--;
    }
    pthread_mutex_unlock(&kept.lock);
    return is_there;
}

/* ---- notices ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t posted;
    GlueNotice *first, **last;
} done = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &done.first};

GlueNotice *glue_notice_create(uint64_t id)
{
    GlueNotice *notice = calloc(1, sizeof *notice);
    if (notice) notice->id = id;
    return notice;
}

static void post(GlueNotice *notice)
{
    pthread_mutex_lock(&done.lock);
    if (!notice->is_listed) {
        notice->is_listed = 1;
        notice->next = NULL;
        *done.last = notice;
        done.last = &notice->next;
        pthread_cond_signal(&done.posted);
    }
    pthread_mutex_unlock(&done.lock);
}

/* With the lock held. */
static void unlist(GlueNotice *notice)
{
    GlueNotice **link = &done.first;
    while (*link != notice) link = &(*link)->next;
    *link = notice->next;
    if (!*link) done.last = link;
    notice->is_listed = 0;
}

void glue_notice_free(GlueNotice *notice)
{
    if (!notice) return;
    pthread_mutex_lock(&done.lock);
    if (notice->is_listed) unlist(notice);
    pthread_mutex_unlock(&done.lock);
    sutra_result_free(notice->result);
    free(notice);
}

void glue_job_done(void *user, SutraResult *result, const SutraError *error)
{
    GlueNotice *notice = user;
    notice->result = result;
    notice->error = *error;
    post(notice);
}

void glue_stream_ready(void *user) { post(user); }

uint64_t glue_notice_wait(void)
{
    pthread_mutex_lock(&done.lock);
    while (!done.first) pthread_cond_wait(&done.posted, &done.lock);
    uint64_t id = done.first->id;
    unlist(done.first);
    pthread_mutex_unlock(&done.lock);
    return id;
}

void glue_after_fork(void)
{
    pthread_mutex_init(&kept.lock, NULL);
    kept.first = kept.count = kept.lost = 0;
    pthread_mutex_init(&done.lock, NULL);
    pthread_cond_init(&done.posted, NULL);
    done.first = NULL;
    done.last = &done.first;
}

/* ---- the hub ---- */

char *glue_environment(const char *variable) { return getenv(variable); }

SutraStatus glue_hub_pull(const char *path, const char *name, const SutraHubOptions *options,
                          SutraHubResult *result, SutraError *err)
{
    SutraHubPullFunction pull = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "sutra_hub_pull") : NULL;
    if (!symbol) {
        err->status = SUTRA_E_UNSUPPORTED;
        snprintf(err->message, sizeof err->message, "downloading needs %s: %.400s",
                 SUTRA_HUB_LIBRARY, dlerror());
        if (library) dlclose(library);
        return err->status;
    }
    /* object pointer to function pointer: a conversion that ISO C leaves to POSIX */
    memcpy(&pull, &symbol, sizeof pull);
    SutraStatus status = pull(name, options, result, err);
    dlclose(library);
    return status;
}
