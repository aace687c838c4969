/* NumPy's format, versions 1 to 3.
 *
 *   "\x93NUMPY" major minor | size of the dict: 16 bits (version 1) or 32 | Python dict | elements
 *   0                       8 */
#include "read_npy.h"

#include "console.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HEADER = 4096 };

void cli_npy_value(const char *dict, const char *key, char *value, size_t capacity)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s':", key);
    const char *at = strstr(dict, quoted);
    size_t used = 0;
    int depth = 0;
    for (at = at ? at + strlen(quoted) : ""; *at && used + 1 < capacity; at++) {
        if (depth == 0 && (*at == ',' || *at == '}')) break;
        depth += (*at == '(') - (*at == ')');
        if (*at != ' ') value[used++] = *at;
    }
    value[used] = '\0';
}

static SutraStatus check_dict(const char *path, const char *dict, uint32_t rows, uint32_t columns,
                              SutraError *err)
{
    char type[64], order[16], shape[64], wanted[64];
    cli_npy_value(dict, "descr", type, sizeof type);
    cli_npy_value(dict, "fortran_order", order, sizeof order);
    cli_npy_value(dict, "shape", shape, sizeof shape);
    snprintf(wanted, sizeof wanted, "(%u,%u)", rows, columns);
    if (!*type || !*order || !*shape)
        return cli_raise(err, SUTRA_E_FORMAT, "%s: its header is not one that NumPy writes", path);
    if (strcmp(type, "'<f4'") != 0)
        return cli_raise(err, SUTRA_E_FORMAT, "%s: elements of type %s, expected float32 ('<f4')",
                         path, type);
    if (strcmp(shape, wanted) != 0)
        return cli_raise(err, SUTRA_E_FORMAT, "%s: an array of shape %s, expected %s", path, shape,
                         wanted);
    if (strcmp(order, "False") != 0)
        return cli_raise(err, SUTRA_E_FORMAT, "%s: in Fortran order, expected C order", path);
    return SUTRA_OK;
}

/* Reads up to the elements. */
static SutraStatus read_header(FILE *file, const char *path, char dict[MOST_HEADER + 1],
                               SutraError *err)
{
    unsigned char start[12];
    size_t size, length = 10;
    bool good = fread(start, 1, length, file) == length && memcmp(start, "\x93NUMPY", 6) == 0;
    if (good && start[6] > 1) good = fread(start + length, 1, 2, file) == 2;
    if (!good || start[6] < 1 || start[6] > 3)
        return cli_raise(err, SUTRA_E_FORMAT, "%s: not a .npy file", path);
    size = (size_t)start[8] | (size_t)start[9] << 8;
    if (start[6] > 1) size |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    if (size > MOST_HEADER || fread(dict, 1, size, file) != size)
        return cli_raise(err, SUTRA_E_FORMAT, "%s: its header is not one that NumPy writes", path);
    dict[size] = '\0';
    return SUTRA_OK;
}

static SutraStatus read_values(FILE *file, const char *path, uint32_t rows, uint32_t columns,
                               float *values, SutraError *err)
{
    char dict[MOST_HEADER + 1];
    SutraStatus status = read_header(file, path, dict, err);
    if (status == SUTRA_OK) status = check_dict(path, dict, rows, columns, err);
    if (status != SUTRA_OK) return status;
    size_t count = (size_t)rows * columns;
    if (fread(values, sizeof *values, count, file) != count || fgetc(file) != EOF)
        return cli_raise(err, SUTRA_E_FORMAT, "%s: not the %zu elements that its header says", path,
                         count);
    return SUTRA_OK;
}

SutraStatus cli_read_npy(const char *path, uint32_t rows, uint32_t columns, float **values,
                         SutraError *err)
{
    FILE *file = fopen(path, "rb");
    if (!file) return cli_raise(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    *values = cli_alloc((size_t)rows * columns, sizeof **values);
    errno = 0;
    SutraStatus status = read_values(file, path, rows, columns, *values, err);
    if (ferror(file)) status = cli_raise(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    fclose(file);
    if (status == SUTRA_OK) return SUTRA_OK;
    free(*values);
    *values = NULL;
    return status;
}
