/* cuda_kernels - the CUDA backend's kernels on the shapes of an encoder, each beside what bounds it.
 *
 * usage: cuda_kernels [--type fp16|bf16|fp32] [--shape minilm|base|large] [--texts N] [--tokens N]
 *        [--tflops N] [--mma 1] [--bits 1] [--compare 1]
 *
 * A layer's operations on a packed batch of N texts of so many tokens, one by one: median of 20
 * timed launches on the same buffers, after five untimed, so that what fits L2 is there, as it is
 * in a layer. Floor: the larger of an operation's bytes over the copy bandwidth, which a copy of
 * 1 GB on the device gives first, and its arithmetic over --tflops (790: fp16 on an H200, what
 * cuBLAS reaches on 8192^3). --mma 1: the kernels of devices other than Hopper. Without it linears
 * are timed without TMA and with each of its tiles too, and must have the same bits: exit status 1
 * if not. --bits 1: the same of linears of many sizes and forms. --compare 1: times of each kernel
 * from 64 rows on. */
#include "cuda_kernels.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

struct Shape {
    const char *name;
    uint32_t hidden, heads, ffn, layers;
};

static const Shape shapes[] = {
    {"minilm", 384, 12, 1536, 6}, {"base", 768, 12, 3072, 12}, {"large", 1024, 16, 4096, 24}};

static void check(cudaError_t status, const char *what)
{
    if (status == cudaSuccess) return;
    fprintf(stderr, "cuda_kernels: %s: %s\n", what, cudaGetErrorString(status));
    exit(1);
}

static void *device_memory(size_t bytes)
{
    void *memory = NULL;
    check(cudaMalloc(&memory, bytes), "memory");
    return memory;
}

/* Numbers of about the size that a normed row has. */
static __global__ void fill_kernel(uint16_t *to, size_t n, int type)
{
    size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i >= n) return;
    uint32_t x = (uint32_t)i * 2654435761u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    float value = ((float)(x & 0xffff) / 65536.0f - 0.5f) * (type ? 0.08f : 2.0f);
    uint32_t bits = __float_as_uint(value);
    to[i] = (uint16_t)(bits >> 16);
}

static double seconds_of(const std::function<void()> &launch)
{
    cudaEvent_t start, stop;
    std::vector<float> times;
    check(cudaEventCreate(&start), "event");
    check(cudaEventCreate(&stop), "event");
    for (int i = 0; i < 25; i++) {
        check(cudaEventRecord(start), "event");
        launch();
        check(cudaEventRecord(stop), "event");
        check(cudaEventSynchronize(stop), "launch");
        float ms = 0;
        check(cudaEventElapsedTime(&ms, start, stop), "time");
        if (i >= 5) times.push_back(ms);
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2] * 1e-3;
}

static double copy_bandwidth()
{
    size_t bytes = (size_t)1 << 30;
    void *a = device_memory(bytes), *b = device_memory(bytes);
    double seconds =
        seconds_of([&] { check(cudaMemcpyAsync(b, a, bytes, cudaMemcpyDeviceToDevice), "copy"); });
    cudaFree(a);
    cudaFree(b);
    return 2.0 * (double)bytes / seconds;
}

struct Options {
    SuCudaType type = SU_CUDA_F16;
    const Shape *shape = &shapes[0];
    uint32_t texts = 128, tokens = 128;
    double tflops = 790;
    bool mma = false;     /* mma.sync also where wgmma would be taken */
    bool bits = false;    /* linears of many sizes and forms are compared */
    bool compare = false; /* and timed */
};

struct Bench {
    Options options;
    double bandwidth, total, floor_total;
    bool differs;
};

static void row(Bench *bench, const char *name, double bytes, double flops, double seconds)
{
    double by_bytes = bytes / bench->bandwidth, by_flops = flops / (bench->options.tflops * 1e12);
    double floor = std::max(by_bytes, by_flops);
    bench->total += seconds;
    bench->floor_total += floor;
    printf("| %-24s | %8.1f | %8.1f | %-5s | %5.2f | %6.0f | %6.2f |\n", name, seconds * 1e6,
           floor * 1e6, by_bytes > by_flops ? "bytes" : "FLOPs", floor / seconds,
           flops / seconds * 1e-12, bytes / seconds * 1e-12);
}

static const uint32_t widths[] = {128, 192, 256}; /* features of TMA's tiles */

/* width 0: without TMA. residual: what c has before, which is added to. */
static std::vector<char> result_of(SuCudaGemm gemm, uint32_t width, const void *residual)
{
    size_t columns = gemm.gated ? gemm.out / 2 : gemm.out;
    size_t bytes = gemm.rows * columns * su_cuda_type_size(gemm.type);
    gemm.c = device_memory(bytes);
    check(cudaMemset(gemm.c, 0xff, bytes), "clear");
    if (residual) {
        check(cudaMemcpy(gemm.c, residual, bytes, cudaMemcpyDeviceToDevice), "copy");
        gemm.residual = gemm.c;
    }
    check(width ? su_cuda_gemm_tma_tiles(&gemm, width, 0) : su_cuda_gemm_wgmma(&gemm, 0), "linear");
    std::vector<char> result(bytes);
    check(cudaMemcpy(result.data(), gemm.c, bytes, cudaMemcpyDeviceToHost), "copy");
    cudaFree(gemm.c);
    return result;
}

/* The kernels of Hopper give the same bits. */
static bool agree(const char *name, const SuCudaGemm &gemm, const void *residual)
{
    std::vector<char> expected = result_of(gemm, 0, residual);
    for (uint32_t width : widths) {
        if (gemm.gated && width == 192) continue; /* is 128 */
        std::vector<char> got = result_of(gemm, width, residual);
        if (got == expected) continue;
        size_t first = 0, columns = gemm.gated ? gemm.out / 2 : gemm.out;
        while (got[first] == expected[first]) first++;
        fprintf(stderr,
                "cuda_kernels: %s, %u rows, %u to %u, tiles of %u features: TMA's bits are not "
                "wgmma's from row %zu, feature %zu on\n",
                name, gemm.rows, gemm.in, gemm.out, width, first / 2 / columns,
                first / 2 % columns);
        return false;
    }
    return true;
}

/* A linear's forms, by what follows the sums. */
struct Form {
    const char *name;
    uint32_t activation;
    bool gated, residual;
};

static const Form forms[] = {
    {"plain", SUTRA_ACT_NONE, false, false},      {"GELU", SUTRA_ACT_GELU_ERF, false, false},
    {"plain + x", SUTRA_ACT_NONE, false, true},   {"GELU + x", SUTRA_ACT_GELU_ERF, false, true},
    {"SiLU, gated", SUTRA_ACT_SILU, true, false}, {"GELU, gated", SUTRA_ACT_GELU_ERF, true, false}};

/* Bits of sizes that are none of a tile's, in every form, a residual lying where the result goes
 * and where it does not. gemm: its type, operands large enough, and the device. Up to most_rows. */
static bool agree_in_all(SuCudaGemm gemm, const void *residual, uint32_t most_rows)
{
    static const uint32_t all_rows[] = {1, 63, 129, 1000, 2100};
    static const uint32_t sizes[][2] = {{384, 384}, {392, 384}, {1160, 392}, {1536, 72}, {8, 8}};
    bool same = true;
    for (uint32_t rows : all_rows)
        for (const uint32_t *size : sizes)
            for (const Form &form : forms) {
                if (rows > most_rows || (form.gated && size[0] % 16 != 0)) continue;
                gemm.rows = rows, gemm.out = size[0], gemm.in = size[1];
                gemm.activation = form.activation, gemm.gated = form.gated;
                gemm.residual = form.residual ? residual : NULL;
                same = agree(form.name, gemm, NULL) && same;
                if (form.residual) same = agree(form.name, gemm, residual) && same;
            }
    return same;
}

/* Each kernel at many numbers of rows, launches following each other: what the choice of the kernel
 * rests on. */
static void compare(const Shape &s, SuCudaGemm gemm, void *residual, uint32_t most_rows)
{
    const uint32_t h = s.hidden, f = s.ffn;
    const struct {
        uint32_t out, in, form;
    } linears[] = {{3 * h, h, 0}, {h, h, 2}, {f, h, 1}, {f, h, 4}, {h, f, 2}};
    printf("\n%s, us: rows, in, out, form, without TMA, 128, 192, 256, the rule's\n", s.name);
    for (auto &linear : linears)
        for (uint32_t rows = 64; rows <= most_rows; rows *= 2) {
            const Form &form = forms[linear.form];
            gemm.rows = rows, gemm.out = linear.out, gemm.in = linear.in;
            gemm.activation = form.activation, gemm.gated = form.gated;
            gemm.residual = form.residual ? residual : NULL;
            auto time = [&](const std::function<cudaError_t()> &launch) {
                printf(" %7.2f", 1e6 / 16 * seconds_of([&] {
                                     for (int i = 0; i < 16; i++) check(launch(), s.name);
                                 }));
            };
            printf("%5u %4u %4u %-12s", rows, gemm.in, gemm.out, form.name);
            time([&] { return su_cuda_gemm_wgmma(&gemm, 0); });
            for (uint32_t width : widths)
                time([&] { return su_cuda_gemm_tma_tiles(&gemm, width, 0); });
            time([&] { return su_cuda_gemm(&gemm, 0); });
            printf("\n");
        }
}

static void run(Bench *bench)
{
    const Options &o = bench->options;
    const Shape &s = *o.shape;
    size_t size = su_cuda_type_size(o.type), rows = (size_t)o.texts * o.tokens, h = s.hidden;
    void *x = device_memory(rows * h * size), *y = device_memory(rows * h * size);
    void *qkv = device_memory(rows * 3 * h * size), *wide = device_memory(rows * s.ffn * size);
    void *weight = device_memory((size_t)s.ffn * h * size);
    float *bias = (float *)device_memory(s.ffn * sizeof *bias);
    int multiprocessors = 0, major = 0;
    check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0), "device");
    check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "device");
    auto fill = [&](void *to, size_t bytes, int type) {
        fill_kernel<<<(unsigned)(bytes / 2 / 256 + 1), 256>>>((uint16_t *)to, bytes / 2, type);
    };
    fill(x, rows * h * size, 0);
    fill(qkv, rows * 3 * h * size, 0);
    fill(wide, rows * s.ffn * size, 0);
    fill(weight, (size_t)s.ffn * h * size, 1);
    std::vector<float> shifts(s.ffn);
    for (uint32_t i = 0; i < s.ffn; i++) shifts[i] = (float)(i % 61) / 64.0f - 0.5f;
    check(cudaMemcpy(bias, shifts.data(), s.ffn * sizeof *bias, cudaMemcpyHostToDevice), "copy");
    uint32_t tile = su_cuda_attention_rows(o.type);
    std::vector<uint32_t> words;
    for (uint32_t i = 0; i <= o.texts; i++) words.push_back(i * o.tokens);
    if (words.size() % 2) words.push_back(0);
    size_t tiles_at = words.size();
    for (uint32_t i = 0; i < o.texts; i++)
        for (uint32_t t = 0; t < o.tokens; t += tile) words.push_back(i), words.push_back(t);
    uint32_t *input = (uint32_t *)device_memory(words.size() * 4);
    check(cudaMemcpy(input, words.data(), words.size() * 4, cudaMemcpyHostToDevice), "copy");

    auto gemm = [&](const char *name, const void *a, uint32_t in, uint32_t out,
                    const void *residual, void *c, uint32_t activation) {
        SuCudaGemm g = {};
        g.type = o.type, g.a = a, g.weight = weight, g.bias = bias, g.residual = residual, g.c = c;
        g.rows = (uint32_t)rows, g.out = out, g.in = in, g.activation = activation;
        g.multiprocessors = (uint32_t)multiprocessors, g.wgmma = major == 9 && !o.mma;
        double bytes =
            (double)size * ((double)rows * (in + out + (residual ? out : 0.0)) + (double)in * out);
        double flops = 2.0 * (double)rows * in * out;
        row(bench, name, bytes, flops, seconds_of([&] { check(su_cuda_gemm(&g, 0), name); }));
        if (o.type == SU_CUDA_F32 || !g.wgmma) return;
        bench->differs = !agree(name, g, NULL) || bench->differs;
        Bench beside = *bench; /* whose sums are not the layer's */
        row(&beside, "  without TMA", bytes, flops,
            seconds_of([&] { check(su_cuda_gemm_wgmma(&g, 0), name); }));
        for (uint32_t width : widths) {
            std::string tiles = "  TMA, " + std::to_string(width) + " features";
            row(&beside, tiles.c_str(), bytes, flops,
                seconds_of([&] { check(su_cuda_gemm_tma_tiles(&g, width, 0), name); }));
        }
    };
    gemm("qkv", x, h, 3 * h, NULL, qkv, SUTRA_ACT_NONE);
    SuCudaAttention a = {};
    a.type = o.type, a.qkv = qkv, a.out = y, a.cu_seqlens = input;
    a.tiles = (const uint2 *)(input + tiles_at);
    a.num_tiles = (uint32_t)((words.size() - tiles_at) / 2);
    a.num_long = o.tokens > SU_CUDA_SHORT_TOKENS ? a.num_tiles : 0;
    a.num_heads = s.heads, a.head_size = s.hidden / s.heads;
    a.before = a.after = INT32_MAX;
    row(bench, "attention", (double)size * (double)rows * 4.0 * (double)h,
        4.0 * (double)rows * o.tokens * (double)h,
        seconds_of([&] { check(su_cuda_attention(&a, 0), "attention"); }));
    gemm("attention out + x", y, h, h, x, x, SUTRA_ACT_NONE);
    SuCudaNorm n = {};
    n.type = o.type, n.x = x, n.y = y, n.gamma = bias, n.beta = bias, n.eps = 1e-12f;
    n.rows = (uint32_t)rows, n.n = (uint32_t)h;
    auto norm = [&] {
        row(bench, "norm", 2.0 * (double)size * (double)rows * (double)h, 0,
            seconds_of([&] { check(su_cuda_norm(&n, 0), "norm"); }));
    };
    norm();
    gemm("up, GELU", x, h, s.ffn, NULL, wide, SUTRA_ACT_GELU_ERF);
    gemm("down + x", wide, s.ffn, h, x, x, SUTRA_ACT_NONE);
    norm();
    SuCudaGemm any = {};
    any.type = o.type, any.a = wide, any.weight = weight, any.bias = bias, any.c = qkv;
    any.multiprocessors = (uint32_t)multiprocessors, any.wgmma = major == 9 && !o.mma;
    bool both = o.type != SU_CUDA_F32 && any.wgmma;
    if (both && o.bits) bench->differs = !agree_in_all(any, wide, (uint32_t)rows) || bench->differs;
    if (both && o.compare) {
        any.c = device_memory(rows * s.ffn * size);
        compare(s, any, x, (uint32_t)rows);
        cudaFree(any.c);
    }
    for (void *memory : {x, y, qkv, wide, weight, (void *)bias, (void *)input}) cudaFree(memory);
}

static int usage()
{
    fprintf(stderr, "usage: cuda_kernels [--type fp16|bf16|fp32] [--shape minilm|base|large] "
                    "[--texts N] [--tokens N] [--tflops N] [--mma 1] [--bits 1] [--compare 1]\n");
    return 2;
}

int main(int argc, char **argv)
{
    Bench bench = {};
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (i + 1 >= argc) return usage();
        long number = strtol(value, NULL, 10);
        if (strcmp(name, "--type") == 0)
            bench.options.type = strcmp(value, "fp32") == 0   ? SU_CUDA_F32
                                 : strcmp(value, "bf16") == 0 ? SU_CUDA_BF16
                                                              : SU_CUDA_F16;
        else if (strcmp(name, "--texts") == 0 && number > 0)
            bench.options.texts = (uint32_t)number;
        else if (strcmp(name, "--tokens") == 0 && number > 0)
            bench.options.tokens = (uint32_t)number;
        else if (strcmp(name, "--tflops") == 0 && number > 0)
            bench.options.tflops = (double)number;
        else if (strcmp(name, "--mma") == 0)
            bench.options.mma = number != 0;
        else if (strcmp(name, "--bits") == 0)
            bench.options.bits = number != 0;
        else if (strcmp(name, "--compare") == 0)
            bench.options.compare = number != 0;
        else if (strcmp(name, "--shape") == 0) {
            bench.options.shape = NULL;
            for (const Shape &shape : shapes)
                if (strcmp(shape.name, value) == 0) bench.options.shape = &shape;
            if (!bench.options.shape) return usage();
        } else
            return usage();
    }
    cudaDeviceProp facts;
    check(cudaGetDeviceProperties(&facts, 0), "device");
    bench.bandwidth = copy_bandwidth();
    const Options &o = bench.options;
    printf("%s, %s shape, %u x %u tokens; copy %.2f TB/s\n\n", facts.name, o.shape->name, o.texts,
           o.tokens, bench.bandwidth * 1e-12);
    printf(
        "| operation of a layer     | time, us | floor, us | by    | share | TFLOP/s | TB/s   |\n"
        "|---|---|---|---|---|---|---|\n");
    run(&bench);
    printf("\nlayer %.1f us, floor %.1f us; %u layers: %.0f texts/s, floor %.0f\n",
           bench.total * 1e6, bench.floor_total * 1e6, o.shape->layers,
           o.texts / (bench.total * o.shape->layers),
           o.texts / (bench.floor_total * o.shape->layers));
    return bench.differs;
}
