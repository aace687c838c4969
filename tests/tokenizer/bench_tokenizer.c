/* bench_tokenizer TOKENIZER.JSON FILE [SECONDS] - millions of tokens a second of processor time, one text a line, with and
 * without offsets; bench_tokenizer.py and bench_kinds.py run the reference library on the same file. */
#include "base/file_map.h"
#include "tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void stop(const char *reason)
{
    fprintf(stderr, "bench_tokenizer: %s\n", reason);
    exit(1);
}

/* Seconds of this process on a core: others share the machine. */
static double used(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t encode_lines(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch,
                           SuFileMap file, bool offsets)
{
    SutraError err;
    size_t tokens = 0;
    for (size_t at = 0; at < file.size;) {
        const char *line = (const char *)file.data + at;
        const char *end = memchr(line, '\n', file.size - at);
        size_t size = end ? (size_t)(end - line) : file.size - at;
        SuEncodeRequest request = {.text = line, .text_size = size, .want_offsets = offsets};
        SuEncoding encoding;
        if (su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err) != SUTRA_OK)
            stop(err.message);
        tokens += encoding.num_tokens;
        at += size + 1;
    }
    return tokens;
}

int main(int argc, char **argv)
{
    SutraError err;
    SuFileMap json, file;
    SuTokenizer *tokenizer;
    SuTokenizerScratch *scratch;
    if (argc < 3) stop("usage: bench_tokenizer TOKENIZER.JSON FILE [SECONDS]");
    double seconds = argc > 3 ? atof(argv[3]) : 2;
    if (su_file_map_open(argv[1], &json, &err) || su_file_map_open(argv[2], &file, &err))
        stop(err.message);
    double start = used();
    if (su_tokenizer_from_json(json.data, json.size, argv[1], &tokenizer, &err)) stop(err.message);
    printf("load            %.2f ms\n", (used() - start) * 1e3);
    if (su_tokenizer_scratch_create(&scratch, &err)) stop(err.message);
    for (int offsets = 0; offsets < 2; offsets++) {
        double best = 0;
        size_t tokens = 0;
        double begin = used();
        do { /* the best pass */
            double pass = used();
            tokens = encode_lines(tokenizer, scratch, file, offsets);
            double rate = (double)tokens / (used() - pass) / 1e6;
            if (rate > best) best = rate;
        } while (used() - begin < seconds);
        printf("%s %.2f M tokens/s (%zu tokens, %.1f MB)\n",
               offsets ? "with offsets   " : "ids            ", best, tokens,
               (double)file.size / 1e6);
    }
    su_tokenizer_scratch_free(scratch);
    su_tokenizer_free(tokenizer);
    su_file_map_close(&json);
    su_file_map_close(&file);
    return 0;
}
