#include "map_npy.h"

#include "console.h"
#include "read_npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_HEADER = 4096 };

SutraStatus cli_map_file(const char *path, bool missing_ok, CliMatrix *matrix, SutraError *err)
{
    struct stat facts;
    const char *reason = NULL;
    *matrix = (CliMatrix){.map = NULL};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO may have no writer */
    if (fd < 0 && errno == ENOENT && missing_ok) return SUTRA_OK;
    if (fd < 0 || fstat(fd, &facts) != 0) {
        reason = strerror(errno);
    } else if (S_ISDIR(facts.st_mode)) {
        reason = strerror(EISDIR);
    } else if (!S_ISREG(facts.st_mode)) {
        reason = "a pipe or device, which can't be mapped";
    } else if (facts.st_size > 0) {
        matrix->map_size = (size_t)facts.st_size;
        matrix->map = mmap(NULL, matrix->map_size, PROT_READ, MAP_SHARED, fd, 0);
        if (matrix->map == MAP_FAILED) reason = strerror(errno);
    }
    if (fd >= 0) close(fd);
    if (!reason) return SUTRA_OK;
    *matrix = (CliMatrix){.map = NULL};
    return cli_raise(err, SUTRA_E_IO, "%s: %s", path, reason);
}

/* "(200,384)" */
static bool read_shape(const char *shape, CliMatrix *matrix)
{
    char *end;
    if (shape[0] != '(' || shape[1] < '0' || shape[1] > '9') return false;
    matrix->rows = strtoull(shape + 1, &end, 10);
    if (*end != ',' || end[1] < '0' || end[1] > '9') return false;
    matrix->columns = strtoull(end + 1, &end, 10);
    return strcmp(end, ")") == 0 || strcmp(end, ",)") == 0;
}

static size_t element_size(const char *type)
{
    if (strcmp(type, "<f4") == 0) return 4;
    if (strcmp(type, "<f2") == 0) return 2;
    return strcmp(type, "|i1") == 0 || strcmp(type, "|u1") == 0;
}

static SutraStatus read_dict(const char *path, const char *dict, size_t start, CliMatrix *matrix,
                             SutraError *err)
{
    char type[64], order[16], shape[64];
    cli_npy_value(dict, "descr", type, sizeof type);
    cli_npy_value(dict, "fortran_order", order, sizeof order);
    cli_npy_value(dict, "shape", shape, sizeof shape);
    size_t size = strlen(type);
    if (size > 2 && size - 2 < sizeof matrix->type) memcpy(matrix->type, type + 1, size - 2);
    size_t element = element_size(matrix->type);
    if (!element || strcmp(order, "False") != 0 || !read_shape(shape, matrix) || !matrix->columns)
        return cli_raise(err, SUTRA_E_UNSUPPORTED,
                         "%s: elements %s, shape %s, Fortran order %s; rows of float32, float16, "
                         "int8 or uint8 in C order are searched",
                         path, type, shape, order);
    uint64_t bytes;
    if (__builtin_mul_overflow(matrix->rows, matrix->columns, &bytes) ||
        __builtin_mul_overflow(bytes, element, &bytes) || bytes != matrix->map_size - start)
        return cli_raise(err, SUTRA_E_FORMAT, "%s: %zu bytes of elements, its header says %s", path,
                         matrix->map_size - start, shape);
    matrix->data = (const char *)matrix->map + start;
    return SUTRA_OK;
}

SutraStatus cli_map_npy(const char *path, CliMatrix *matrix, SutraError *err)
{
    char dict[MOST_HEADER + 1];
    SutraStatus status = cli_map_file(path, false, matrix, err);
    if (status != SUTRA_OK) return status;
    const unsigned char *data = matrix->map;
    size_t length = 10, size = 0;
    bool good =
        matrix->map_size > 12 && memcmp(data, "\x93NUMPY", 6) == 0 && data[6] >= 1 && data[6] <= 3;
    if (good) size = (size_t)data[8] | (size_t)data[9] << 8;
    if (good && data[6] > 1) {
        size |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
        length = 12;
    }
    if (!good || size > MOST_HEADER || size > matrix->map_size - length)
        status = cli_raise(err, SUTRA_E_FORMAT, "%s: not a .npy file", path);
    if (status == SUTRA_OK) {
        memcpy(dict, data + length, size);
        dict[size] = '\0';
        status = read_dict(path, dict, length + size, matrix, err);
    }
    if (status != SUTRA_OK) cli_unmap_npy(matrix);
    return status;
}

void cli_unmap_npy(CliMatrix *matrix)
{
    if (matrix->map) munmap(matrix->map, matrix->map_size);
    *matrix = (CliMatrix){.map = NULL};
}

static bool fits(const CliMatrix *matrix, SutraDtype dtype)
{
    static const char *const types[] = {
        [SUTRA_F32] = "<f4", [SUTRA_F16] = "<f2",    [SUTRA_I8] = "|i1",
        [SUTRA_U8] = "|u1",  [SUTRA_BINARY] = "|i1", [SUTRA_UBINARY] = "|u1"};
    return strcmp(matrix->type, types[dtype]) == 0;
}

SutraStatus cli_matrix_rows(const CliMatrix *matrix, const char *path, uint32_t model_dim,
                            uint32_t dtype, SutraRows *rows, SutraError *err)
{
    bool is_signed = matrix->type[1] == 'i', bytes = matrix->type[2] == '1';
    bool bits = bytes && matrix->columns == (model_dim + 7) / 8 && model_dim > 1;
    SutraDtype found = strcmp(matrix->type, "<f4") == 0   ? SUTRA_F32
                       : strcmp(matrix->type, "<f2") == 0 ? SUTRA_F16
                       : is_signed                        ? SUTRA_I8
                                                          : SUTRA_U8;
    if (bits) found = is_signed ? SUTRA_BINARY : SUTRA_UBINARY;
    if (dtype) found = (SutraDtype)(dtype - 1);
    if (!fits(matrix, found))
        return cli_raise(err, SUTRA_E_ARGUMENT, "%s has elements of type %s, not those of --type",
                         path, matrix->type);
    bits = found == SUTRA_BINARY || found == SUTRA_UBINARY;
    uint64_t dim = !bits                                    ? matrix->columns
                   : matrix->columns == (model_dim + 7) / 8 ? model_dim
                                                            : matrix->columns * 8;
    if (dim > model_dim)
        return cli_raise(err, SUTRA_E_ARGUMENT,
                         "%s has rows of %llu elements, the model's vectors %u", path,
                         (unsigned long long)dim, model_dim);
    *rows = (SutraRows){
        .data = matrix->data, .count = matrix->rows, .dtype = found, .dim = (uint32_t)dim};
    return SUTRA_OK;
}
