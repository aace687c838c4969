/* The table "output" of sutra bench ablation: a pooled row to its normalised output form.
 *
 *   fused     as the engine: the sum of squares, then one pass that scales, checks and converts
 *   separate  a pass for each: check, sum of squares, scale, and the type's reference kernel, which
 *             checks and converts what is scaled; floats are checked and copied
 *
 * The two take turns in short samples, on one thread, the row in L1; the best sample of each
 * counts, so that other programs on the machine matter little. */
#include "base/clock.h"
#include "base/status.h"
#include "bench_ablation.h"
#include "bench_options.h"
#include "encoder/encoder.h"
#include "tools/report.h"

#include <math.h>
#include <string.h>

enum { MOST_DIM = 1024, ROUNDS = 400, QUICK_ROUNDS = 10 };
static const uint64_t sample_ns = 100000;

typedef struct Output {
    SuKernels kernels, plain;
    SutraBatch batch;
    float x[MOST_DIM], scaled[MOST_DIM], ranges[2 * MOST_DIM], steps[MOST_DIM];
    unsigned char fused[4 * MOST_DIM], separate[4 * MOST_DIM];
} Output;

typedef void (*Way)(Output *output);

static void run_fused(Output *output)
{
    su_output_row(&output->kernels, output->x, output->batch.dim, &output->batch, output->steps,
                  output->fused);
}

/* ---- separate passes ---- */

static bool all_finite(const float *row, uint32_t n)
{
    uint32_t bad = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &row[i], sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return bad == 0;
}

static void run_separate(Output *output)
{
    uint32_t dim = output->batch.dim;
    bool finite = all_finite(output->x, dim);
    float length = sqrtf(output->kernels.sum_of_squares_f32(output->x, dim));
    output->kernels.scale_f32(output->x, 1.0f / (length > 1e-12f ? length : 1e-12f), dim,
                              output->scaled);
    if (!finite || !isfinite(length)) return;
    if (output->batch.dtype == SUTRA_F32) {
        if (all_finite(output->scaled, dim)) memcpy(output->separate, output->scaled, 4 * dim);
        return;
    }
    SutraBatch scaled = output->batch;
    scaled.normalize = 0;
    su_output_row(&output->plain, output->scaled, dim, &scaled, output->steps, output->separate);
}

/* ---- measuring ---- */

static double row_ns(Way way, Output *output, size_t calls)
{
    uint64_t start = su_clock_ns();
    for (size_t i = 0; i < calls; i++) way(output);
    return (double)(su_clock_ns() - start) / (double)calls;
}

/* Calls that make a sample. */
static size_t calls_of(Way way, Output *output)
{
    size_t calls = 1;
    while (row_ns(way, output, calls) * (double)calls < (double)sample_ns) calls *= 2;
    return calls;
}

static SutraStatus measure(SuBenchAblation *bench, Output *output, const char *type,
                           SutraError *err)
{
    uint32_t dim = output->batch.dim;
    su_output_steps(&output->batch, output->steps);
    run_fused(output);
    run_separate(output);
    if (memcmp(output->fused, output->separate, sutra_row_bytes(output->batch.dtype, dim)) != 0)
        SU_RAISE(err, SUTRA_E_NUMERIC, "bench ablation: %s of %u elements differs", type, dim);
    size_t fused_calls = calls_of(run_fused, output), calls = calls_of(run_separate, output);
    double fused = INFINITY, separate = INFINITY;
    for (int i = 0; i < (bench->options->quick ? QUICK_ROUNDS : ROUNDS); i++) {
        fused = fmin(fused, row_ns(run_fused, output, fused_calls));
        separate = fmin(separate, row_ns(run_separate, output, calls));
    }
    su_report_text(bench->report, "%s", type);
    su_report_number(bench->report, dim);
    su_report_number(bench->report, fused);
    su_report_number(bench->report, separate);
    su_report_number(bench->report, separate / fused);
    return SUTRA_OK;
}

/* Values of a pooled row, and ranges that some of them lie outside of once they are normalised. */
static void fill(Output *output, uint32_t dim)
{
    for (uint32_t i = 0; i < dim; i++) {
        output->x[i] = (float)((i * 2654435761u >> 8) % 2000) * 0.001f - 1.0f;
        output->ranges[i] = -1.5f / sqrtf((float)dim);
        output->ranges[dim + i] = 1.5f / sqrtf((float)dim);
    }
}

SutraStatus su_bench_ablation_output(SuBenchAblation *bench, SutraError *err)
{
    static const struct {
        const char *name;
        SutraDtype dtype;
        bool ranged;
    } types[] = {{"float32", SUTRA_F32, false},    {"float16", SUTRA_F16, false},
                 {"int8, fixed", SUTRA_I8, false}, {"uint8, fixed", SUTRA_U8, false},
                 {"int8, ranges", SUTRA_I8, true}, {"uint8, ranges", SUTRA_U8, true},
                 {"binary", SUTRA_BINARY, false},  {"ubinary", SUTRA_UBINARY, false}};
    static const uint32_t dims[] = {384, MOST_DIM};
    Output *output = su_alloc(1, sizeof *output);
    if (!output) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a row");
    SutraStatus status = SUTRA_OK;
    su_kernels_init(&output->kernels, bench->isa);
    su_kernels_init(&output->plain, SU_ISA_SCALAR);
    su_bench_progress(bench->options, "ablation: output rows");
    su_report_table(bench->report, "output", "type|dim|fused ns|separate ns|times");
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        fill(output, dims[d]);
        for (size_t i = 0; i < sizeof types / sizeof *types && status == SUTRA_OK; i++) {
            output->batch = (SutraBatch){.struct_size = sizeof output->batch,
                                         .dtype = types[i].dtype,
                                         .dim = dims[d],
                                         .normalize = SUTRA_BATCH_NORMALIZE,
                                         .ranges = types[i].ranged ? output->ranges : NULL};
            status = measure(bench, output, types[i].name, err);
        }
    }
    su_free(output);
    return status;
}
