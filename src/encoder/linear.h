/* linear.h - linears in fp32, fp16, bf16 and int8, and the rows that go into them.
 *
 * Between linears everything is fp32. Rows go into a linear in its format: as they are, or
 * converted where they are made (SuRows), a row at a time. */
#ifndef SU_LINEAR_H
#define SU_LINEAR_H

#include "base/parallel_for.h"
#include "kernels/kernels.h"

/* Of the weights of a linear and of the rows it reads: the four kinds of SuGemmArgs. */
typedef enum SuFormat {
    SU_FORMAT_F32 = 0,
    SU_FORMAT_BF16,
    SU_FORMAT_INT8,
    SU_FORMAT_F16,
    SU_FORMAT_COUNT
} SuFormat;

typedef struct SuLinear {
    SuFormat format;
    void *packed; /* see SuGemmArgs.b */
    float *bias;  /* [round_up(out, nr)], like the next two */
    float *scale; /* int8, else NULL, like the next two */
    int32_t *sum;
    float *factor;    /* [in]: what a row is multiplied by before it is quantised; NULL: nothing */
    SuRowScale fixed; /* scale and zero of all rows; scale 0: each row its own */
    size_t in, out;
    bool gated;        /* rows of what it gives have out / 2 elements: see SuGemmArgs */
    uint32_t row_size; /* bytes of an element of the rows that it reads: SuGemm.a_size */
} SuLinear;

/* Rows as a linear reads them, dense in floats, else su_linear_row_bytes apart. */
typedef struct SuRows {
    void *data;
    SuRowScale *scales; /* int8 */
} SuRows;

/* Sees the rows that each linear of an fp32 encoder reads, before they are multiplied. */
typedef struct SuRowObserver {
    void (*see)(void *user, const SuLinear *linear, const float *x, size_t rows);
    void *user;
} SuRowObserver;

/* The GEMM that a format is for. */
const SuGemm *su_linear_gemm(const SuKernels *kernels, SuFormat format);
/* The format of weights in a layout that there is. */
SuFormat su_linear_format(SuGemmLayout layout);

/* Whether what stands beside linears of a format may be rounded to bf16. */
static inline bool su_format_is_narrow(SuFormat format)
{
    return format == SU_FORMAT_BF16 || format == SU_FORMAT_INT8;
}

/* Whether a linear reads rows as they are. */
static inline bool su_linear_reads_floats(const SuLinear *linear)
{
    return linear->row_size == sizeof(float);
}

/* Bytes from one row that a linear reads to the next. */
size_t su_linear_row_bytes(const SuLinear *linear);
/* Rows `first` … of rows that `linear` reads. */
SuRows su_linear_rows_at(const SuLinear *linear, SuRows rows, size_t first);
/* x as `linear` reads it, which has been converted to `to` if it reads no floats. */
SuRows su_linear_rows(const SuLinear *linear, float *x, SuRows to);
/* Row `at` of `rows` from x [in], for linears that do not read floats. */
void su_linear_convert_row(const SuKernels *kernels, const SuLinear *linear, const float *x,
                           SuRows rows, size_t at);

/* ---- called by all threads of a region ---- */

/* c = act(a x linear) + residual over `rows` rows. Rows of residual are dense; so are those of c,
 * or of its groups of columns (see SuGemmArgs). */
typedef struct SuLinearIo {
    SuRows a;
    const float *residual; /* NULL: none */
    void *c;               /* of float, or of bf16: rows of such a linear */
    bool c_bf16;
    size_t rows;
    size_t c_group, c_group_stride; /* 0: none */
    size_t first, columns;          /* of the linear's, whole panels; columns 0: all */
    SutraActivation activation;
    const SuRowObserver *observer; /* NULL: none */
} SuLinearIo;

void su_linear_run(const SuKernels *kernels, const SuLinear *linear, SuRegionThread *thread,
                   const SuLinearIo *io);
/* x as `linear` reads it: itself, or converted to `to`. */
SuRows su_linear_convert(const SuKernels *kernels, const SuLinear *linear, SuRegionThread *thread,
                         float *x, size_t rows, SuRows to);
/* y = norm(x) of `rows` rows, y being x or apart from it; and converted to `to` for the linear that
 * reads them next, if it reads no floats (next NULL: none does). */
void su_linear_norm(const SuKernels *kernels, const SuNormF32 *norm, SuRegionThread *thread,
                    const float *x, float *y, size_t rows, const SuLinear *next, SuRows to);

#endif
