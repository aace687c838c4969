/* sqlite_distance.c - sutra_distance_cosine(a, b): of vectors as sutra_embed gives them, or as JSON
 * arrays of numbers. */
#include "sqlite_extension.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

enum { MOST_JSON = 4 << 20 };

typedef struct Floats {
    uint32_t dim;
    float values[]; /* [dim] */
} Floats;

typedef struct Vector {
    Floats *made;        /* NULL: borrowed; freed by sqlite3_free */
    const float *values; /* [dim] */
    uint32_t dim;
    bool is_read; /* made of JSON by this call: kept for the next one if the argument is constant */
} Vector;

static void borrow(const Floats *floats, Vector *vector)
{
    vector->values = floats->values;
    vector->dim = floats->dim;
}

static SutraStatus make_room(Vector *vector, size_t count, SutraError *err)
{
    vector->made = sqlite3_malloc64(sizeof *vector->made + count * sizeof(float));
    if (!vector->made) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for a vector");
    vector->made->dim = (uint32_t)count;
    borrow(vector->made, vector);
    return SUTRA_OK;
}

static SutraStatus read_blob(sqlite3_value *value, char name, Vector *vector, SutraError *err)
{
    const void *bytes = sqlite3_value_blob(value);
    size_t size = (size_t)sqlite3_value_bytes(value);
    if (size == 0) return sql_raise(err, SUTRA_E_ARGUMENT, "vector %c is empty", name);
    if (size % sizeof(float))
        return sql_raise(err, SUTRA_E_ARGUMENT,
                         "vector %c has %zu bytes, which is no number of float32 elements", name,
                         size);
    if (!bytes) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for a vector");
    vector->dim = (uint32_t)(size / sizeof(float));
    vector->values = bytes;
    if ((uintptr_t)bytes % sizeof(float) == 0) return SUTRA_OK;
    /* Values lie in SQLite's pages at any address. */
    SutraStatus status = make_room(vector, vector->dim, err);
    if (status == SUTRA_OK) memcpy(vector->made->values, bytes, size);
    return status;
}

static SutraStatus read_numbers(const json_t *array, char name, Vector *vector, SutraError *err)
{
    size_t count = json_array_size(array);
    if (count == 0) return sql_raise(err, SUTRA_E_ARGUMENT, "vector %c is empty", name);
    SutraStatus status = make_room(vector, count, err);
    for (size_t i = 0; status == SUTRA_OK && i < count; i++) {
        const json_t *element = json_array_get(array, i);
        if (!json_is_number(element))
            return sql_raise(err, SUTRA_E_ARGUMENT, "vector %c: element %zu is not a number", name,
                             i);
        vector->made->values[i] = (float)json_number_value(element);
    }
    return status;
}

static SutraStatus read_text(sqlite3_value *value, char name, Vector *vector, SutraError *err)
{
    json_error_t error;
    size_t size = (size_t)sqlite3_value_bytes(value);
    vector->is_read = true;
    /* Parsed, an element takes ten times the memory of its shortest text. */
    if (size > MOST_JSON)
        return sql_raise(err, SUTRA_E_LIMIT, "vector %c has %zu bytes of JSON, more than %d", name,
                         size, MOST_JSON);
    const char *text = (const char *)sqlite3_value_text(value);
    if (!text) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for a vector");
    json_t *array = json_loadb(text, size, JSON_DECODE_INT_AS_REAL, &error);
    if (!array && json_error_code(&error) == json_error_out_of_memory)
        return sql_raise(err, SUTRA_E_MEMORY, "out of memory for a vector");
    SutraStatus status = json_is_array(array)
                             ? read_numbers(array, name, vector, err)
                             : sql_raise(err, SUTRA_E_ARGUMENT,
                                         "vector %c is text, but no JSON array of numbers", name);
    json_decref(array);
    return status;
}

static SutraStatus read_vector(sqlite3_context *context, sqlite3_value **values, int place,
                               Vector *vector, SutraError *err)
{
    const Floats *kept = sqlite3_get_auxdata(context, place);
    sqlite3_value *value = values[place];
    char name = "ab"[place];
    if (kept) {
        borrow(kept, vector);
        return SUTRA_OK;
    }
    switch (sqlite3_value_type(value)) {
    case SQLITE_BLOB:
        return read_blob(value, name, vector, err);
    case SQLITE_TEXT:
        return read_text(value, name, vector, err);
    default:
        return sql_raise(err, SUTRA_E_ARGUMENT, "vector %c is %s, and no blob or JSON array", name,
                         sql_type_name(value));
    }
}

/* In float64, whose range has the squares of all floats. */
static SutraStatus compare(const Vector *a, const Vector *b, double *distance, SutraError *err)
{
    double dot = 0, squares_a = 0, squares_b = 0;
    if (a->dim != b->dim)
        return sql_raise(err, SUTRA_E_ARGUMENT, "vector a has %u elements, vector b %u", a->dim,
                         b->dim);
    for (uint32_t i = 0; i < a->dim; i++) {
        double x = a->values[i], y = b->values[i];
        dot += x * y;
        squares_a += x * x;
        squares_b += y * y;
    }
    if (!isfinite(squares_a) || !isfinite(squares_b))
        return sql_raise(err, SUTRA_E_NUMERIC, "a vector has an element that is NaN or infinite");
    double length = sqrt(squares_a) * sqrt(squares_b);
    double cosine = length > 0 ? dot / length : 0;
    /* Rounding may take a cosine past its bounds. */
    *distance = 1.0 - fmin(fmax(cosine, -1.0), 1.0);
    return SUTRA_OK;
}

static void keep_or_free(sqlite3_context *context, int place, const Vector *vector, bool keep)
{
    if (keep && vector->is_read)
        sqlite3_set_auxdata(context, place, vector->made, sqlite3_free);
    else
        sqlite3_free(vector->made);
}

void sql_distance_cosine(sqlite3_context *context, int count, sqlite3_value **values)
{
    Vector a = {0}, b = {0};
    SutraError err;
    double distance = 0;
    (void)count;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL ||
        sqlite3_value_type(values[1]) == SQLITE_NULL)
        return;
    SutraStatus status = read_vector(context, values, 0, &a, &err);
    if (status == SUTRA_OK) status = read_vector(context, values, 1, &b, &err);
    if (status == SUTRA_OK) status = compare(&a, &b, &distance, &err);
    if (status == SUTRA_OK)
        sqlite3_result_double(context, distance);
    else
        sql_fail(context, "sutra_distance_cosine", &err);
    keep_or_free(context, 0, &a, status == SUTRA_OK);
    keep_or_free(context, 1, &b, status == SUTRA_OK);
}
