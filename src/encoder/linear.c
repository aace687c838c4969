#include "encoder/linear.h"

#include "base/memory.h"

#include <string.h>

const SuGemm *su_linear_gemm(const SuKernels *kernels, SuFormat format)
{
    return format == SU_FORMAT_BF16   ? &kernels->gemm_bf16
           : format == SU_FORMAT_INT8 ? &kernels->gemm_int8
           : format == SU_FORMAT_F16  ? &kernels->gemm_f16
                                      : &kernels->gemm_f32;
}

SuFormat su_linear_format(SuGemmLayout layout)
{
    return layout == SU_LAYOUT_BF16_32   ? SU_FORMAT_BF16
           : layout == SU_LAYOUT_INT8_32 ? SU_FORMAT_INT8
           : layout == SU_LAYOUT_F16_32  ? SU_FORMAT_F16
                                         : SU_FORMAT_F32;
}

size_t su_linear_row_bytes(const SuLinear *linear)
{
    size_t bytes = linear->in * linear->row_size;
    return su_linear_reads_floats(linear) ? bytes : su_round_up(bytes, SU_GEMM_ROW_BYTES);
}

SuRows su_linear_rows_at(const SuLinear *linear, SuRows rows, size_t first)
{
    return (SuRows){(unsigned char *)rows.data + first * su_linear_row_bytes(linear),
                    rows.scales ? rows.scales + first : NULL};
}

SuRows su_linear_rows(const SuLinear *linear, float *x, SuRows to)
{
    if (su_linear_reads_floats(linear)) return (SuRows){.data = x};
    return to;
}

void su_linear_convert_row(const SuKernels *kernels, const SuLinear *linear, const float *x,
                           SuRows rows, size_t at)
{
    size_t size = su_linear_row_bytes(linear), used = linear->in * linear->row_size;
    unsigned char *to = (unsigned char *)rows.data + at * size;
    memset(to + used, 0, size - used);
    if (linear->format == SU_FORMAT_BF16)
        kernels->narrow_bf16(x, linear->in, (uint16_t *)(void *)to);
    else
        rows.scales[at] = kernels->quantize_u8(
            x, linear->factor, linear->fixed.scale > 0 ? &linear->fixed : NULL, linear->in, to);
}

/* A linear is cut by panels of weights: each is read once, by one thread, and the rows stay in
 * cache.
 * Where there are fewer panels than chunks, the rows are cut too. */
static size_t row_blocks(const SuRegionThread *thread, size_t panels, size_t rows, size_t mr)
{
    size_t chunks = su_parallel_chunks(thread);
    size_t blocks = (chunks + panels - 1) / panels, most = (rows + 2 * mr - 1) / (2 * mr);
    return blocks < most ? blocks : most;
}

void su_linear_run(const SuKernels *kernels, const SuLinear *linear, SuRegionThread *thread,
                   const SuLinearIo *io)
{
    const SuGemm *gemm = su_linear_gemm(kernels, linear->format);
    size_t columns = io->columns ? io->columns : linear->out, first = io->first / gemm->nr;
    size_t panels = (columns + gemm->nr - 1) / gemm->nr;
    size_t blocks = row_blocks(thread, panels, io->rows, gemm->mr);
    size_t width = linear->gated ? linear->out / 2 : linear->out;
    SuGemmArgs args = {.lda = su_linear_row_bytes(linear) / linear->row_size,
                       .b = linear->packed,
                       .bias = linear->bias,
                       .b_scale = linear->scale,
                       .b_sum = linear->sum,
                       .ldr = width,
                       .ldc = io->c_group ? io->c_group : width,
                       .c_group = io->c_group,
                       .c_group_stride = io->c_group_stride,
                       .n = linear->out,
                       .k = linear->in,
                       .block_bytes = kernels->gemm_block_bytes,
                       .activation = io->activation,
                       .gated = linear->gated,
                       .c_bf16 = io->c_bf16};
    if (io->observer) io->observer->see(io->observer->user, linear, io->a.data, io->rows);
    SuLoop loop = su_parallel_for(thread, blocks * panels);
    while (su_loop_next(thread, &loop))
        for (size_t i = loop.begin, end; i < loop.end; i = end) {
            size_t block = i / panels, past = (block + 1) * panels;
            end = loop.end < past ? loop.end : past;
            size_t row = io->rows * block / blocks;
            args.m = io->rows * (block + 1) / blocks - row;
            args.panel_begin = first + i % panels;
            args.panel_end = args.panel_begin + (end - i);
            SuRows a = su_linear_rows_at(linear, io->a, row);
            args.a = a.data;
            args.a_scale = a.scales;
            args.c = (char *)io->c + row * args.ldc * (io->c_bf16 ? 2 : 4);
            args.residual = io->residual ? io->residual + row * args.ldr : NULL;
            gemm->run(&args);
        }
}

void su_linear_norm(const SuKernels *kernels, const SuNormF32 *norm, SuRegionThread *thread,
                    const float *x, float *y, size_t rows, const SuLinear *next, SuRows to)
{
    bool converts = next && !su_linear_reads_floats(next);
    SuLoop loop = su_parallel_for(thread, rows);
    while (su_loop_next(thread, &loop))
        for (size_t i = loop.begin; i < loop.end; i++) {
            kernels->layer_norm_f32(norm, x + i * norm->n, y + i * norm->n);
            if (converts) su_linear_convert_row(kernels, next, y + i * norm->n, to, i);
        }
}

SuRows su_linear_convert(const SuKernels *kernels, const SuLinear *linear, SuRegionThread *thread,
                         float *x, size_t rows, SuRows to)
{
    if (su_linear_reads_floats(linear)) return (SuRows){.data = x};
    SuLoop loop = su_parallel_for(thread, rows);
    while (su_loop_next(thread, &loop))
        for (size_t i = loop.begin; i < loop.end; i++)
            su_linear_convert_row(kernels, linear, x + i * linear->in, to, i);
    return to;
}
