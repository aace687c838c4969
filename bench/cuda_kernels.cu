/* cuda_kernels - the CUDA backend's kernels on the shapes of an encoder, each beside what bounds it.
 *
 * usage: cuda_kernels [--type fp16|bf16|fp32] [--shape minilm|base|large] [--texts N] [--tokens N]
 *        [--tflops N] [--mma 1]
 *
 * A layer's operations on a packed batch of N texts of so many tokens, one by one: median of 20
 * timed launches on the same buffers, after five untimed, so that what fits L2 is there, as it is
 * in a layer. Floor: the larger of an operation's bytes over the copy bandwidth, which a copy of
 * 1 GB on the device gives first, and its arithmetic over --tflops (790: fp16 on an H200, what
 * cuBLAS reaches on 8192^3). --mma 1: the kernels of devices other than Hopper. There, linears are
 * timed with TMA and without it, and must have the same bits: exit status 1 if not. */
#include "cuda_kernels.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
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
    bool mma = false; /* mma.sync also where wgmma would be taken */
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

/* The kernels of Hopper give the same bits. */
static bool agree(const char *name, SuCudaGemm gemm)
{
    size_t bytes = (size_t)gemm.rows * gemm.out * su_cuda_type_size(gemm.type);
    std::vector<char> results[2];
    for (std::vector<char> &result : results) {
        bool first = &result == results;
        gemm.c = device_memory(bytes);
        check(cudaMemset(gemm.c, 0xff, bytes), "clear");
        check(first ? su_cuda_gemm_tma(&gemm, 0) : su_cuda_gemm_wgmma(&gemm, 0), name);
        result.resize(bytes);
        check(cudaMemcpy(result.data(), gemm.c, bytes, cudaMemcpyDeviceToHost), name);
        cudaFree(gemm.c);
    }
    if (results[0] == results[1]) return true;
    size_t first = 0;
    while (results[0][first] == results[1][first]) first++;
    fprintf(stderr, "cuda_kernels: %s: TMA's bits are not wgmma's from row %zu, feature %zu on\n",
            name, first / 2 / gemm.out, first / 2 % gemm.out);
    return false;
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
    check(cudaMemset(bias, 0, s.ffn * sizeof *bias), "clear");
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
        bool tma = su_cuda_gemm_takes_tma(&g);
        bench->differs = !agree(name, g) || bench->differs;
        Bench beside = *bench; /* whose sums are not the layer's */
        row(&beside, tma ? "  without TMA" : "  with TMA", bytes, flops, seconds_of([&] {
            check(tma ? su_cuda_gemm_wgmma(&g, 0) : su_cuda_gemm_tma(&g, 0), name);
        }));
    };
    gemm("qkv", x, h, 3 * h, NULL, qkv, SUTRA_ACT_NONE);
    SuCudaAttention a = {};
    a.type = o.type, a.qkv = qkv, a.out = y, a.cu_seqlens = input;
    a.tiles = (const uint2 *)(input + tiles_at);
    a.num_tiles = (uint32_t)((words.size() - tiles_at) / 2);
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
    for (void *memory : {x, y, qkv, wide, weight, (void *)bias, (void *)input}) cudaFree(memory);
}

static int usage()
{
    fprintf(stderr, "usage: cuda_kernels [--type fp16|bf16|fp32] [--shape minilm|base|large] "
                    "[--texts N] [--tokens N] [--tflops N] [--mma 1]\n");
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
