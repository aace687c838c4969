/* request_fields.h - the fields of a request's JSON, as tables: a dialect names them, with the
 * readers that all share and those of its own, and has its words for what is wrong with them. */
#ifndef SU_REQUEST_FIELDS_H
#define SU_REQUEST_FIELDS_H

#include "embed_serve.h"

#include <jansson.h>

typedef struct SuReading SuReading;

/* How a dialect says what is wrong with a request. */
typedef struct SuFieldWords {
    int status;              /* of a field that is missing, not known or not as it must be */
    const char *quote, *end; /* around a field's name, and of a sentence */
    const char *unknown[2];  /* before and after the name of a field that there is not */
    const char *missing[2];  /* of one that must be there */
    /* `n` texts of field are more than there may be; NULL: in these words. */
    bool (*too_many)(const SuReading *r, const char *field, size_t n);
    /* There is none where one must be; NULL: a request without texts is one. */
    bool (*empty)(const SuReading *r, const char *field);
    /* Whether an item of a list is a text that may be there; NULL: any text may. */
    bool (*check_text)(const SuReading *r, const char *field, const json_t *item, size_t i);
} SuFieldWords;

struct SuReading {
    const SuFieldWords *words;
    const SuEmbedLimits *limits;
    SuEmbedRequest *request;
    SuProblem *problem;
    const char *field; /* that is being read */
};

/* A field that is null is as if it were not there, unless it must be. */
typedef struct SuField {
    const char *name;
    bool (*read)(SuReading *r, const json_t *value);
    bool must_be;
} SuField;

/* The body as an object, which becomes request->document. NULL: *problem says why not. */
const json_t *su_reading_begin(SuReading *r, const SuFieldWords *words, const SuEmbedLimits *limits,
                               SuText body, SuEmbedRequest *request, SuProblem *problem);
/* All fields of an object, in the order of the table, whose last name is NULL. False, here and
 * below: *problem says why not. */
bool su_fields_read(SuReading *r, const json_t *object, const SuField *fields);
/* "`field` must be `wanted`"; false. */
bool su_field_refuse(const SuReading *r, const char *wanted);

/* A whole number of min … max. */
bool su_field_number(const SuReading *r, const json_t *value, uint64_t min, uint64_t max,
                     uint64_t *number);
bool su_field_flag(const SuReading *r, const json_t *value, bool *flag);

/* Room for n texts, zeroed. */
bool su_field_make_inputs(const SuReading *r, size_t n);
/* Texts of a list to inputs from `first` on. */
bool su_field_texts(const SuReading *r, const json_t *list, size_t first);
/* A text or a list of texts, which are all inputs there are. */
bool su_field_inputs(SuReading *r, const json_t *value);

/* ---- readers of fields that mean the same everywhere ---- */

bool su_field_model(SuReading *r, const json_t *value);
bool su_field_dimensions(SuReading *r, const json_t *value);
/* Of a text. */
bool su_field_max_tokens(SuReading *r, const json_t *value);
bool su_field_normalize(SuReading *r, const json_t *value);
bool su_field_truncate(SuReading *r, const json_t *value);
/* After the inputs. */
bool su_field_prompt_name(SuReading *r, const json_t *value);
bool su_field_priority(SuReading *r, const json_t *value);
bool su_field_timeout(SuReading *r, const json_t *value);
/* A text that means nothing here. */
bool su_field_unused_text(SuReading *r, const json_t *value);
bool su_field_unused(SuReading *r, const json_t *value);

#endif
