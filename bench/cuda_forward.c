/* cuda_forward.c - what a device's plugin computes a second, without tokenizer and engine: an
 * encoder of BERT's shape with random weights and token ids, called through the table of
 * sutra_backend.h as the engine calls it.
 *
 * usage: cuda_forward PLUGIN [--device 0] [--compute fp16] [--weights fp16] [--layers 6]
 *            [--hidden 384] [--heads 12] [--ffn 1536] [--vocab 30522] [--texts 1024] [--tokens 128]
 *            [--tokens-per-run 0,8192,…] [--contexts 0] [--seconds 2]
 *
 * Texts all have --tokens tokens. A run takes as many as --tokens-per-run has room for (0: what the
 * device prefers); as many threads as --contexts says (0: what keeps the device busy) each have a
 * context and take the next run, until --seconds are over and each text had its turn. Vectors are
 * mean-pooled, normalised, fp32. Prints one JSON object: for each size of a run texts a second, and
 * the median time of a run in milliseconds. */
#include "sutra_backend.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_CONTEXTS = 16, MAX_SIZES = 16, MAX_RUNS = 1 << 20, WARM_RUNS = 3 };

typedef struct Options {
    const char *plugin, *compute_name, *weights_name;
    uint32_t device, layers, hidden, heads, ffn, vocab, texts, tokens, contexts;
    uint32_t sizes[MAX_SIZES], num_sizes; /* tokens of a run */
    double seconds;
    SutraCompute compute;
    SutraTensorType weights;
} Options;

typedef struct Weights {
    SutraTensor *tensors;
    size_t count, capacity;
    uint64_t seed;
} Weights;

/* One size of a run, shared by the threads. */
typedef struct Load {
    const Options *options;
    const SutraBackend *backend;
    void *model;
    const int32_t *token_ids; /* [texts * tokens] */
    uint32_t texts_per_run, runs_per_pass;
    pthread_barrier_t gate;
    pthread_mutex_t lock; /* of what follows */
    uint32_t next;        /* runs begun */
    uint64_t texts;       /* done within the time */
    double start, end;
    float *milliseconds; /* [num_times] */
    uint32_t num_times;
} Load;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "cuda_forward: %s: %s\n", what, why && *why ? why : "no reason given");
    exit(1);
}

static void *need(void *memory)
{
    if (!memory) die("memory", "there is not enough");
    return memory;
}

static void check(SutraStatus status, const char *what, const SutraError *err)
{
    if (status != SUTRA_OK) die(what, err->message);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t next_random(uint64_t *seed) /* xorshift */
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Of a normal number (fp16's, not subnormal), to the nearest; smaller ones become zero. */
static uint16_t to_half(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, rounded = (bits & 0x7FFFFFFF) + 0xFFF + (bits >> 13 & 1);
    return (uint16_t)(rounded < 0x38800000 ? sign : sign | ((rounded - 0x38000000) >> 13));
}

/* Roughly normal values with `mean`, and a deviation of 0.02 as BERT's initialisation has. */
static void add_tensor(Weights *weights, const Options *options, SutraRole role, uint32_t layer,
                       uint32_t rows, uint32_t columns, float mean)
{
    size_t n = (size_t)(rows ? rows : 1) * columns;
    size_t width = options->weights == SUTRA_TENSOR_F16 ? 2 : 4;
    void *data = need(malloc(n * width));
    for (size_t i = 0; i < n; i++) {
        uint64_t r = next_random(&weights->seed);
        float sum = 0;
        for (int k = 0; k < 4; k++) sum += (float)(r >> 16 * k & 0xFFFF) / 65536.0f - 0.5f;
        float x = mean + 0.02f * 1.7320508f * sum; /* the sum's variance is a third */
        if (width == 2)
            ((uint16_t *)data)[i] = to_half(x);
        else
            ((float *)data)[i] = x;
    }
    if (weights->count == weights->capacity) {
        weights->capacity = 2 * weights->capacity + 64;
        weights->tensors =
            need(realloc(weights->tensors, weights->capacity * sizeof *weights->tensors));
    }
    weights->tensors[weights->count++] =
        (SutraTensor){.role = role,
                      .layer = layer,
                      .dtype = options->weights,
                      .num_dims = rows ? 2 : 1,
                      .shape = {rows ? rows : columns, rows ? columns : 0},
                      .data = data,
                      .size = n * width};
}

static void make_weights(Weights *weights, const Options *o)
{
    uint32_t positions = o->tokens > 512 ? o->tokens : 512, h = o->hidden;
    add_tensor(weights, o, SUTRA_ROLE_TOKEN_EMBEDDING, 0, o->vocab, h, 0);
    add_tensor(weights, o, SUTRA_ROLE_POSITION_EMBEDDING, 0, positions, h, 0);
    add_tensor(weights, o, SUTRA_ROLE_TYPE_EMBEDDING, 0, 2, h, 0);
    add_tensor(weights, o, SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, 0, 0, h, 1);
    add_tensor(weights, o, SUTRA_ROLE_EMBEDDING_NORM_BIAS, 0, 0, h, 0);
    for (uint32_t l = 0; l < o->layers; l++) {
        for (uint32_t role = SUTRA_ROLE_QUERY_WEIGHT; role <= SUTRA_ROLE_ATTENTION_OUT_BIAS;
             role += 2) {
            add_tensor(weights, o, role, l, h, h, 0);
            add_tensor(weights, o, role + 1, l, 0, h, 0);
        }
        add_tensor(weights, o, SUTRA_ROLE_ATTENTION_NORM_WEIGHT, l, 0, h, 1);
        add_tensor(weights, o, SUTRA_ROLE_ATTENTION_NORM_BIAS, l, 0, h, 0);
        add_tensor(weights, o, SUTRA_ROLE_FFN_UP_WEIGHT, l, o->ffn, h, 0);
        add_tensor(weights, o, SUTRA_ROLE_FFN_UP_BIAS, l, 0, o->ffn, 0);
        add_tensor(weights, o, SUTRA_ROLE_FFN_DOWN_WEIGHT, l, h, o->ffn, 0);
        add_tensor(weights, o, SUTRA_ROLE_FFN_DOWN_BIAS, l, 0, h, 0);
        add_tensor(weights, o, SUTRA_ROLE_FFN_NORM_WEIGHT, l, 0, h, 1);
        add_tensor(weights, o, SUTRA_ROLE_FFN_NORM_BIAS, l, 0, h, 0);
    }
}

static SutraSpec make_spec(const Options *o, const SutraHead heads[2])
{
    return (SutraSpec){.struct_size = sizeof(SutraSpec),
                       .num_layers = o->layers,
                       .hidden_size = o->hidden,
                       .num_heads = o->heads,
                       .num_kv_heads = o->heads,
                       .head_size = o->hidden / o->heads,
                       .ffn_size = o->ffn,
                       .vocab_size = o->vocab,
                       .max_positions = o->tokens > 512 ? o->tokens : 512,
                       .num_types = 2,
                       .position = SUTRA_POSITION_LEARNED,
                       .norm = SUTRA_NORM_POST,
                       .norm_kind = SUTRA_NORM_LAYER,
                       .activation = SUTRA_ACT_GELU_ERF,
                       .rope_divisor = 1,
                       .norm_eps = 1e-12f,
                       .heads = heads,
                       .num_heads_out = 2};
}

/* Run number `run` of a pass; returns its texts. */
static uint32_t do_run(Load *load, void *context, uint32_t run, uint32_t *cu_seqlens,
                       uint8_t *errors)
{
    const Options *o = load->options;
    uint32_t first = run % load->runs_per_pass * load->texts_per_run, count = load->texts_per_run;
    if (count > o->texts - first) count = o->texts - first;
    for (uint32_t i = 0; i <= count; i++) cu_seqlens[i] = i * o->tokens;
    memset(errors, 0, count);
    SutraBatch batch = {.struct_size = sizeof batch,
                        .num_seqs = count,
                        .num_tokens = count * o->tokens,
                        .max_seqlen = o->tokens,
                        .token_ids = load->token_ids + (size_t)first * o->tokens,
                        .cu_seqlens = cu_seqlens,
                        .output = SUTRA_OUT_POOLED,
                        .dtype = SUTRA_F32,
                        .dim = o->hidden,
                        .normalize = SUTRA_BATCH_NORMALIZE,
                        .pooling = SUTRA_POOL_MEAN,
                        .numeric_error = errors};
    SutraResultView view = {.struct_size = sizeof view};
    SutraError err = {0};
    check(load->backend->run(context, &batch, &view, &err), "run", &err);
    const float *rows = view.data;
    for (uint32_t i = 0; i < count; i++) {
        double square = 0;
        for (uint32_t k = 0; k < o->hidden; k++) {
            double x = rows[(size_t)i * o->hidden + k];
            square += x * x;
        }
        if (errors[i] || !(fabs(square - 1) < 0.01)) die("run", "a vector has not length 1");
        if (run >= WARM_RUNS) break; /* later ones are only timed */
    }
    return count;
}

static void *work(void *argument)
{
    Load *load = argument;
    const Options *o = load->options;
    SutraError err = {0};
    void *context = NULL;
    uint32_t *cu_seqlens = need(calloc(load->texts_per_run + 1, sizeof *cu_seqlens));
    uint8_t *errors = need(calloc(load->texts_per_run, 1));
    check(load->backend->context_create(load->model, load->texts_per_run * o->tokens,
                                        load->texts_per_run, 1, &context, &err),
          "context_create", &err);
    for (uint32_t run = 0; run < WARM_RUNS; run++) do_run(load, context, run, cu_seqlens, errors);
    if (pthread_barrier_wait(&load->gate) == PTHREAD_BARRIER_SERIAL_THREAD) load->start = now();
    pthread_barrier_wait(&load->gate);
    double stop = load->start + o->seconds;
    for (;;) {
        pthread_mutex_lock(&load->lock);
        uint32_t run = load->next++;
        pthread_mutex_unlock(&load->lock);
        double begin = now();
        if ((begin >= stop && run >= load->runs_per_pass) || run >= MAX_RUNS) break;
        uint32_t count = do_run(load, context, WARM_RUNS + run, cu_seqlens, errors);
        double end = now();
        pthread_mutex_lock(&load->lock);
        load->texts += count;
        if (end > load->end) load->end = end;
        load->milliseconds[load->num_times++] = (float)(1e3 * (end - begin));
        pthread_mutex_unlock(&load->lock);
    }
    load->backend->context_free(context);
    free(cu_seqlens);
    free(errors);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Prints the object of one size. */
static void measure(Load *load, uint32_t tokens_per_run, uint32_t contexts, const char *before)
{
    const Options *o = load->options;
    pthread_t threads[MAX_CONTEXTS];
    load->texts_per_run = tokens_per_run > o->tokens ? tokens_per_run / o->tokens : 1;
    if (load->texts_per_run > o->texts) load->texts_per_run = o->texts;
    load->runs_per_pass = (o->texts + load->texts_per_run - 1) / load->texts_per_run;
    if (contexts > load->runs_per_pass) contexts = load->runs_per_pass;
    load->next = load->num_times = 0;
    load->texts = 0;
    load->end = 0;
    load->milliseconds = need(calloc(MAX_RUNS, sizeof *load->milliseconds));
    pthread_mutex_init(&load->lock, NULL);
    pthread_barrier_init(&load->gate, NULL, contexts);
    for (uint32_t i = 0; i < contexts; i++)
        if (pthread_create(&threads[i], NULL, work, load)) die("thread", "none could be started");
    for (uint32_t i = 0; i < contexts; i++) pthread_join(threads[i], NULL);
    qsort(load->milliseconds, load->num_times, sizeof *load->milliseconds, by_value);
    printf("%s{\"tokens_per_run\": %u, \"texts_per_run\": %u, \"contexts\": %u, \"runs\": %u, "
           "\"texts_per_s\": %.2f, \"p50_ms\": %.4f}",
           before, tokens_per_run, load->texts_per_run, contexts, load->num_times,
           (double)load->texts / (load->end - load->start),
           (double)load->milliseconds[load->num_times / 2]);
    pthread_barrier_destroy(&load->gate);
    pthread_mutex_destroy(&load->lock);
    free(load->milliseconds);
}

static void *host_alloc(void *user, size_t size, size_t alignment)
{
    (void)user;
    size_t step = alignment < sizeof(void *) ? sizeof(void *) : alignment;
    return aligned_alloc(step, (size + step - 1) / step * step);
}

static void host_free(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static void host_log(void *user, int level, const char *line)
{
    (void)user;
    if (level < 2) fprintf(stderr, "cuda_forward: %s\n", line);
}

static const SutraBackend *open_plugin(const char *path)
{
    static const SutraHost host = {.struct_size = sizeof host,
                                   .abi = SUTRA_BACKEND_ABI,
                                   .alloc = host_alloc,
                                   .free = host_free,
                                   .log = host_log};
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) die("plugin", dlerror());
    const SutraBackend *(*entry)(const SutraHost *) = NULL;
    void *symbol = dlsym(library, "sutra_backend_entry");
    if (!symbol) die(path, "it has no sutra_backend_entry");
    memcpy(&entry, &symbol, sizeof entry);
    const SutraBackend *backend = entry(&host);
    if (!backend || backend->abi != SUTRA_BACKEND_ABI) die(path, "it is of another plugin ABI");
    return backend;
}

/* A string of JSON; control characters are left out. */
static void print_text(const char *text, size_t capacity)
{
    putchar('"');
    for (size_t i = 0; i < capacity && text[i]; i++) {
        if (text[i] == '"' || text[i] == '\\') putchar('\\');
        if ((unsigned char)text[i] >= ' ') putchar(text[i]);
    }
    putchar('"');
}

static uint32_t read_number(const char *option, const char *text, uint32_t least)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end || value < least || value > 100000000) die(option, text);
    return (uint32_t)value;
}

static void read_sizes(Options *options, const char *text)
{
    char copy[512];
    if (strlen(text) >= sizeof copy) die("--tokens-per-run", "too long a list");
    memcpy(copy, text, strlen(text) + 1);
    options->num_sizes = 0;
    for (char *state, *word = strtok_r(copy, ",", &state); word;
         word = strtok_r(NULL, ",", &state)) {
        if (options->num_sizes == MAX_SIZES) die("--tokens-per-run", "too long a list");
        options->sizes[options->num_sizes++] = read_number("--tokens-per-run", word, 0);
    }
    if (options->num_sizes == 0) die("--tokens-per-run", "an empty list");
}

static void read_option(Options *o, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint32_t *value, least;
    } numbers[] = {
        {"--device", &o->device, 0}, {"--layers", &o->layers, 1}, {"--hidden", &o->hidden, 1},
        {"--heads", &o->heads, 1},   {"--ffn", &o->ffn, 1},       {"--vocab", &o->vocab, 1},
        {"--texts", &o->texts, 1},   {"--tokens", &o->tokens, 1}, {"--contexts", &o->contexts, 0}};
    if (!value) die(name, "it needs a value");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].value = read_number(name, value, numbers[i].least);
            return;
        }
    if (strcmp(name, "--compute") == 0)
        o->compute_name = value;
    else if (strcmp(name, "--weights") == 0)
        o->weights_name = value;
    else if (strcmp(name, "--tokens-per-run") == 0)
        read_sizes(o, value);
    else if (strcmp(name, "--seconds") == 0)
        o->seconds = strtod(value, NULL);
    else
        die(name, "no such option");
}

static Options read_options(int argc, char **argv)
{
    Options o = {.compute_name = "fp16",
                 .weights_name = "fp16",
                 .layers = 6,
                 .hidden = 384,
                 .heads = 12,
                 .ffn = 1536,
                 .vocab = 30522,
                 .texts = 1024,
                 .tokens = 128,
                 .num_sizes = 1,
                 .seconds = 2};
    static const char *const computes[] = {"fp32", "bf16", "fp16"}; /* from SUTRA_COMPUTE_FP32 on */
    if (argc < 2 || argv[1][0] == '-') die("usage", "cuda_forward PLUGIN [OPTION VALUE ...]");
    o.plugin = argv[1];
    for (int i = 2; i < argc; i += 2) read_option(&o, argv[i], argv[i + 1]);
    for (int i = 0; i < 3; i++)
        if (strcmp(o.compute_name, computes[i]) == 0) o.compute = SUTRA_COMPUTE_FP32 + (unsigned)i;
    if (o.compute == SUTRA_COMPUTE_DEFAULT) die("--compute", "it is fp32, fp16 or bf16");
    int half = strcmp(o.weights_name, "fp16") == 0;
    if (!half && strcmp(o.weights_name, "fp32") != 0) die("--weights", "they are fp16 or fp32");
    o.weights = half ? SUTRA_TENSOR_F16 : SUTRA_TENSOR_F32;
    if (o.hidden % o.heads) die("--heads", "--hidden is no multiple of it");
    if (o.contexts > MAX_CONTEXTS) die("--contexts", "16 at most");
    if (!(o.seconds > 0)) die("--seconds", "more than 0");
    return o;
}

int main(int argc, char **argv)
{
    Options options = read_options(argc, argv);
    const SutraBackend *backend = open_plugin(options.plugin);
    const SutraHead heads[] = {
        {.kind = SUTRA_HEAD_POOLING,
         .in = options.hidden,
         .out = options.hidden,
         .activation = SUTRA_POOL_MEAN},
        {.kind = SUTRA_HEAD_NORMALIZE, .in = options.hidden, .out = options.hidden}};
    SutraSpec spec = make_spec(&options, heads);
    SutraDeviceInfo info = {.struct_size = sizeof info};
    Weights weights = {.seed = 88172645463325252u};
    SutraError err = {0};
    uint32_t count = 0;
    check(backend->device_count(&count, &err), "device_count", &err);
    if (options.device >= count) die("--device", "there is none of this number");
    check(backend->device_info(options.device, &info, &err), "device_info", &err);
    check(backend->supports(options.device, &spec, options.compute, SUTRA_OUT_POOLED, &err),
          "supports", &err);
    make_weights(&weights, &options);
    Load load = {.options = &options, .backend = backend};
    check(backend->load(options.device, &spec, weights.tensors, weights.count, options.compute,
                        &load.model, &err),
          "load", &err);
    size_t num_ids = (size_t)options.texts * options.tokens;
    int32_t *ids = need(malloc(num_ids * sizeof *ids));
    for (size_t i = 0; i < num_ids; i++)
        ids[i] = (int32_t)(next_random(&weights.seed) % options.vocab);
    load.token_ids = ids;
    uint32_t lanes = info.max_in_flight ? info.max_in_flight : 2;
    uint32_t contexts = options.contexts ? options.contexts : lanes;
    if (contexts > MAX_CONTEXTS) contexts = MAX_CONTEXTS;
    uint32_t preferred = info.preferred_tokens ? info.preferred_tokens : 256;
    if (preferred > 65536) preferred = 65536; /* the engine takes no more */
    printf("{\"backend\": \"%s\", \"device\": ", backend->name);
    print_text(info.name, sizeof info.name);
    printf(", \"compute\": \"%s\", \"preferred_tokens\": %u, \"max_in_flight\": %u, "
           "\"measured\": [",
           options.compute_name, preferred, lanes);
    for (uint32_t i = 0; i < options.num_sizes; i++)
        measure(&load, options.sizes[i] ? options.sizes[i] : preferred, contexts, i ? ", " : "");
    printf("]}\n");
    backend->unload(load.model);
    for (size_t i = 0; i < weights.count; i++) free((void *)weights.tensors[i].data);
    free(weights.tensors);
    free(ids);
    return 0;
}
