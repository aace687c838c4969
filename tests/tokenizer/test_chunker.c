/* Chunks: what they promise of any text, that pieces do not matter, and where they end. */
#include "model/model_folder.h"
#include "support/tiny_model.h"
#include "sutra.h"
#include "tokenizer/chunker.h"
#include "unicode/segment.h"

#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 4096, LONGEST = 6000 };

static const char modules[] =
    "[{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":\"sentence_transformers.models."
    "Transformer\"},"
    "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\",\"type\":\"sentence_transformers.models."
    "Pooling\"}]";

typedef struct Fixture {
    char *path;
    SutraModel *model;
} Fixture;

static int set_up(void **state)
{
    static Fixture f;
    SutraError err = {0};
    f.path = tiny_model_write(&(TinyModel){32, 2, 1, 64, 512, NULL, 3});
    folder_write_text(f.path, "modules.json", modules);
    folder_write_text(f.path, "1_Pooling/config.json",
                      "{\"word_embedding_dimension\":32,\"pooling_mode_mean_tokens\":true}");
    folder_write_text(f.path, "config_sentence_transformers.json",
                      "{\"prompts\":{\"ask\":\"q u e: \"}}");
    if (sutra_model_open(f.path, NULL, &f.model, &err) != SUTRA_OK) fail_msg("%s", err.message);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    sutra_model_free(f->model);
    folder_remove(f->path);
    free(f->path);
    return 0;
}

static size_t random_text(uint32_t *random, char *text)
{
    static const char *const parts[] = {"a",
                                        "b c",
                                        " ",
                                        "the ",
                                        "word. ",
                                        "A b, c! ",
                                        "\n",
                                        "\n\n",
                                        "\r\n",
                                        "e\xcc\x81",
                                        "\xe4\xb8\xad",
                                        "\xe3\x80\x82",
                                        "\xe2\x80\xa9",
                                        "\t",
                                        "x1.5",
                                        "'s ",
                                        "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa",
                                        "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9",
                                        " \xcc\x81",
                                        "\x01",
                                        "abcdefghijklmnopqrstuvwxyz",
                                        "       ",
                                        "(So.) ",
                                        "e.g. the "};
    size_t used = 0, wanted = tiny_random(random) % (LONGEST - 32);
    size_t kinds = 1 + tiny_random(random) % (sizeof parts / sizeof *parts),
           from = tiny_random(random);
    while (used < wanted) {
        const char *part =
            parts[(from + tiny_random(random) % kinds) % (sizeof parts / sizeof *parts)];
        size_t size = strlen(part), times = tiny_random(random) % 20 ? 1 : tiny_random(random) % 40;
        for (; times && used + size < LONGEST; times--, used += size)
            memcpy(text + used, part, size);
    }
    return used;
}

static SutraChunkOptions random_options(uint32_t *random)
{
    uint32_t room = 2 + tiny_random(random) % (tiny_random(random) % 2 ? 10 : 100);
    bool prompted = tiny_random(random) % 4 == 0;
    return (SutraChunkOptions){.struct_size = sizeof(SutraChunkOptions),
                               .by = (SutraChunkBy)(tiny_random(random) % 3),
                               .max_tokens = room + 2 + (prompted ? 4 : 0),
                               .overlap = tiny_random(random) % 2 ? tiny_random(random) % room : 0,
                               .prompt_name = prompted ? "ask" : ""};
}

static uint32_t count_tokens(const SutraModel *model, const char *prompt, const char *text,
                             size_t size)
{
    static char whole[LONGEST + 16];
    SutraTokens *tokens = NULL;
    SutraTokensView view = {.struct_size = sizeof view};
    size_t prefix = strlen(prompt);
    memcpy(whole, prompt, prefix);
    memcpy(whole + prefix, text, size);
    const SutraInput input = {.text = whole, .text_size = prefix + size};
    assert_int_equal(sutra_tokenize(model, &input, 1, 0, &tokens, NULL), SUTRA_OK);
    sutra_tokens_view(tokens, &view, NULL);
    uint32_t count = (uint32_t)view.cu_seqlens[1];
    sutra_tokens_free(tokens);
    return count;
}

/* For each byte, whether a cluster begins there; blank: whether White_Space does. */
static void find_clusters(const char *text, size_t size, bool *begins, bool *blank)
{
    SuSegmenter segmenter;
    SuSegmentStep step;
    memset(begins, 0, size + 1);
    su_segmenter_start(&segmenter, text, size);
    while (su_segmenter_next(&segmenter, &step)) {
        begins[step.begin] = step.boundaries & SU_BOUNDARY_CLUSTER;
        for (size_t i = step.begin; i < step.end; i++) blank[i] = step.blank;
    }
    begins[size] = true;
}

/* Returns how many chunks begin or end inside a cluster. */
static size_t check_promises(const SutraModel *model, const char *prompt, int turns, size_t *total)
{
    static char text[LONGEST];
    static bool begins[LONGEST + 1], blank[LONGEST];
    uint32_t random = 4;
    size_t in_clusters = 0;
    for (int turn = 0; turn < turns; turn++) {
        size_t size = random_text(&random, text), n = 0, end = 0;
        SutraChunkOptions o = random_options(&random);
        SutraChunk *chunks = NULL;
        SutraError err = {0};
        if (!*prompt) o.prompt_name = "";
        if (sutra_chunk(model, text, size, &o, &chunks, &n, &err) != SUTRA_OK)
            fail_msg("%s", err.message);
        find_clusters(text, size, begins, blank);
        for (size_t i = 0; i < n; i++) {
            const SutraChunk *c = &chunks[i];
            assert_true(c->begin < c->end && c->end <= size && c->end > end);
            assert_true(i == 0 || c->begin > chunks[i - 1].begin);
            assert_true(o.overlap || c->begin >= end);
            for (size_t at = end; at < c->begin;
                 at++) /* left out: blanks, and what has no tokens */
                assert_true(blank[at] || text[at] == '\x01' || (text[at] & 0xc0) == 0x80 ||
                            !begins[at] || (unsigned char)text[at] >= 0xcc);
            assert_false(blank[c->begin] && begins[c->begin + 1]);
            uint32_t tokens = count_tokens(model, *o.prompt_name ? prompt : "", text + c->begin,
                                           c->end - c->begin);
            assert_int_equal(c->tokens, tokens);
            assert_true(tokens <= o.max_tokens);
            in_clusters += !begins[c->begin] + !begins[c->end];
            end = c->end;
        }
        *total += n;
        sutra_chunks_free(chunks);
    }
    return in_clusters;
}

static void chunks_keep_their_promises(void **state)
{
    Fixture *f = *state;
    size_t total = 0;
    assert_int_equal(check_promises(f->model, "q u e: ", 600, &total), 0);
    assert_true(total > 3000);
}

/* ---- a token a byte ---- */

/* The characters that stand for bytes in byte-level vocabularies, and no merge. */
static SuTokenizer *make_byte_tokenizer(void)
{
    static char json[8192];
    SuTokenizer *tokenizer = NULL;
    SutraError err = {0};
    int used = snprintf(json, sizeof json,
                        "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,"
                        "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                        "\"trim_offsets\":false,\"use_regex\":true},\"post_processor\":null,"
                        "\"decoder\":null,\"model\":{\"type\":\"BPE\",\"dropout\":null,"
                        "\"unk_token\":null,\"continuing_subword_prefix\":null,"
                        "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,"
                        "\"merges\":[],\"vocab\":{");
    unsigned others = 256;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool own = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
        used += snprintf(json + used, sizeof json - (size_t)used, "%s\"\\u%04x\":%u",
                         byte ? "," : "", own ? byte : others++, byte);
    }
    snprintf(json + used, sizeof json - (size_t)used, "}}}");
    if (su_tokenizer_from_json(json, strlen(json), "json", &tokenizer, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    return tokenizer;
}

/* Chunks of a text between bars, or the message. */
static void check_bytes(const SuTokenizer *tokenizer, uint32_t room, const char *text,
                        const char *expected)
{
    const SuChunkRule rule = {.max_tokens = room, .prompt = ""};
    SuChunker *chunker = NULL;
    SutraChunk chunk;
    SutraError err = {0};
    const char *own;
    bool found = true;
    char shown[600] = "";
    size_t used = 0;
    assert_int_equal(su_chunker_create(tokenizer, &rule, &chunker, &err), SUTRA_OK);
    assert_int_equal(su_chunker_push(chunker, text, strlen(text), &err), SUTRA_OK);
    su_chunker_end(chunker);
    while (found && su_chunker_next(chunker, &found, &chunk, &own, &err) == SUTRA_OK && found) {
        assert_int_equal(chunk.tokens, chunk.end - chunk.begin);
        used += (size_t)snprintf(shown + used, sizeof shown - used, "%s%.*s", used ? "|" : "",
                                 (int)(chunk.end - chunk.begin), own);
    }
    if (err.status != SUTRA_OK) snprintf(shown, sizeof shown, "%s", err.message);
    assert_string_equal(shown, expected);
    su_chunker_free(chunker);
}

#define WOMAN "\xf0\x9f\x91\xa9"
#define JOINER "\xe2\x80\x8d"

/* A cluster of more tokens than a chunk takes is cut between its code points; they are not cut. */
static void a_token_a_byte(void **state)
{
    (void)state;
    SuTokenizer *tokenizer = make_byte_tokenizer();
    check_bytes(tokenizer, 5, "abc def", "abc|def");
    check_bytes(tokenizer, 5, "abcdefg", "abcde|fg");
    check_bytes(tokenizer, 5, "abcde\xcc\x81g", "abcd|e\xcc\x81g");
    check_bytes(tokenizer, 11, "a" WOMAN JOINER WOMAN "b", "a|" WOMAN JOINER WOMAN "|b");
    check_bytes(tokenizer, 10, WOMAN JOINER WOMAN "b", WOMAN JOINER "|" WOMAN "b");
    check_bytes(tokenizer, 3, "ab " WOMAN,
                "max_tokens 3 has no room for the character at byte 3 of the text");
    check_bytes(tokenizer, 1, "\xef\xbb\xbf" WOMAN,
                "max_tokens 1 has no room for the character at byte 0 of the text");
    su_tokenizer_free(tokenizer);
}

/* The prompt's last token, the space, is in the word that follows. */
static void prompts_whose_end_joins_the_text(void **state)
{
    (void)state;
    static const char json[] =
        "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,\"pre_tokenizer\":null,"
        "\"post_processor\":null,\"decoder\":null,\"model\":{\"type\":\"BPE\",\"dropout\":null,"
        "\"unk_token\":null,\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
        "\"fuse_unk\":false,\"byte_fallback\":false,\"merges\":[[\" \",\"a\"]],"
        "\"vocab\":{\"q\":0,\":\":1,\" \":2,\"a\":3,\" a\":4}}}";
    const char *own;
    for (uint32_t overlap = 0; overlap < 2; overlap++) {
        const SuChunkRule rule = {
            .max_tokens = 5, .overlap = overlap, .prompt = "q: ", .prompt_size = 3};
        SuTokenizer *tokenizer = NULL;
        SuChunker *chunker = NULL;
        SutraChunk chunk;
        bool found;
        assert_int_equal(su_tokenizer_from_json(json, strlen(json), "json", &tokenizer, NULL),
                         SUTRA_OK);
        assert_int_equal(su_chunker_create(tokenizer, &rule, &chunker, NULL), SUTRA_OK);
        assert_int_equal(su_chunker_push(chunker, "a", 1, NULL), SUTRA_OK);
        su_chunker_end(chunker);
        assert_int_equal(su_chunker_next(chunker, &found, &chunk, &own, NULL), SUTRA_OK);
        assert_true(found);
        assert_int_equal(chunk.end, 1);
        assert_int_equal(chunk.tokens, 3);
        assert_int_equal(su_chunker_next(chunker, &found, &chunk, &own, NULL), SUTRA_OK);
        assert_false(found);
        su_chunker_free(chunker);
        su_tokenizer_free(tokenizer);
    }
}

/* ---- pieces ---- */

/* A chunk does not depend on how the text came. */
static void pieces_do_not_matter(void **state)
{
    Fixture *f = *state;
    static char text[LONGEST];
    uint32_t random = 5;
    for (int turn = 0; turn < 400; turn++) {
        size_t size = random_text(&random, text), n = 0, i = 0, at = 0;
        SutraChunkOptions o = random_options(&random);
        SutraChunk *chunks = NULL;
        SuChunker *chunker = NULL;
        SuChunkRule rule = {.by = o.by,
                            .max_tokens = o.max_tokens,
                            .overlap = o.overlap,
                            .prompt = *o.prompt_name ? "q u e: " : ""};
        rule.prompt_size = strlen(rule.prompt);
        assert_int_equal(sutra_chunk(f->model, text, size, &o, &chunks, &n, NULL), SUTRA_OK);
        assert_int_equal(su_chunker_create(f->model->tokenizer, &rule, &chunker, NULL), SUTRA_OK);
        uint32_t longest = turn % 3 ? 1 + tiny_random(&random) % 3000 : 1;
        for (;;) {
            SutraChunk chunk;
            const char *own;
            bool found;
            assert_int_equal(su_chunker_next(chunker, &found, &chunk, &own, NULL), SUTRA_OK);
            if (found) {
                assert_true(i < n);
                assert_memory_equal(&chunk, &chunks[i], sizeof chunk);
                assert_memory_equal(own, text + chunk.begin, chunk.end - chunk.begin);
                i++;
            } else if (at < size) {
                size_t piece = 1 + tiny_random(&random) % longest;
                if (piece > size - at) piece = size - at;
                char *copy = malloc(piece); /* no byte past it is to be read */
                memcpy(copy, text + at, piece);
                assert_int_equal(su_chunker_push(chunker, copy, piece, NULL), SUTRA_OK);
                free(copy);
                at += piece;
                if (at == size) su_chunker_end(chunker);
            } else {
                break;
            }
        }
        assert_int_equal(i, n);
        su_chunker_free(chunker);
        sutra_chunks_free(chunks);
    }
}

/* Long before the most bytes that it could have had are there. */
static void a_chunk_is_decided_soon_after_its_tokens(void **state)
{
    enum { MAX_TOKENS = 102, AHEAD = 1024 };
    Fixture *f = *state;
    SuChunker *chunker = NULL;
    SuChunkRule rule = {.max_tokens = MAX_TOKENS, .prompt = ""};
    bool found = false;
    SutraChunk chunk;
    const char *text;
    size_t pushed = 0;
    assert_int_equal(su_chunker_create(f->model->tokenizer, &rule, &chunker, NULL), SUTRA_OK);
    for (int i = 0; i < 20; i++) {
        for (found = false; !found;) {
            assert_int_equal(su_chunker_next(chunker, &found, &chunk, &text, NULL), SUTRA_OK);
            if (found) break;
            assert_int_equal(su_chunker_push(chunker, "a ", 2, NULL), SUTRA_OK);
            pushed += 2;
        }
        assert_int_equal(chunk.tokens, MAX_TOKENS);
        assert_true(pushed - chunk.end <= AHEAD + 16);
    }
    su_chunker_free(chunker);
}

/* The chunks of a text, between bars. */
static void check(Fixture *f, SutraChunkBy by, uint32_t room, uint32_t overlap, const char *text,
                  const char *expected)
{
    const SutraChunkOptions o = {
        .struct_size = sizeof o, .by = by, .max_tokens = room + 2, .overlap = overlap};
    SutraChunk *chunks = NULL;
    size_t n = 0, used = 0;
    char shown[1000];
    assert_int_equal(sutra_chunk(f->model, text, strlen(text), &o, &chunks, &n, NULL), SUTRA_OK);
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(shown + used, sizeof shown - used, "%s%.*s", i ? "|" : "",
                                 (int)(chunks[i].end - chunks[i].begin), text + chunks[i].begin);
    shown[used] = '\0';
    assert_string_equal(shown, expected);
    sutra_chunks_free(chunks);
}

static void chunks_end_with_units(void **state)
{
    Fixture *f = *state;
    check(f, SUTRA_CHUNK_TOKENS, 3, 0, "", "");
    check(f, SUTRA_CHUNK_TOKENS, 3, 0, " \n\t ", "");
    check(f, SUTRA_CHUNK_TOKENS, 3, 0, "a b c", "a b c");
    check(f, SUTRA_CHUNK_TOKENS, 3, 0, "  a b c d e f g  ", "a b c|d e f|g");
    /* no cut before a comma; units of one sentence */
    check(f, SUTRA_CHUNK_TOKENS, 3, 0, "a b c, d e", "a b|c, d|e");
    check(f, SUTRA_CHUNK_SENTENCES, 7, 0, "A b. C d. E f.", "A b. C d.|E f.");
    check(f, SUTRA_CHUNK_SENTENCES, 6, 0, "A b. C d. E f.", "A b. C d.|E f.");
    check(f, SUTRA_CHUNK_SENTENCES, 5, 0, "A b. C d. E f.", "A b.|C d.|E f.");
    /* too long a sentence is cut between words, and what is left of it goes on */
    check(f, SUTRA_CHUNK_SENTENCES, 4, 0, "A b c d e. F g.", "A b c d|e.|F g.");
    check(f, SUTRA_CHUNK_PARAGRAPHS, 8, 0, "A. B.\n\nC.\n\nD. E.", "A. B.\n\nC.|D. E.");
    /* too long a paragraph between sentences */
    check(f, SUTRA_CHUNK_PARAGRAPHS, 4, 0, "A. B. C.\n\nD. E.", "A. B.|C.|D. E.");
    /* too long a word between clusters */
    check(f, SUTRA_CHUNK_TOKENS, 2, 0, "\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad",
          "\xe4\xb8\xad\xe4\xb8\xad|\xe4\xb8\xad");
    check(f, SUTRA_CHUNK_TOKENS, 4, 2, "a b c d e f g", "a b c d|c d e f|e f g");
    check(f, SUTRA_CHUNK_SENTENCES, 6, 3, "A b. C d. E f. G h.", "A b. C d.|C d. E f.|E f. G h.");
}

static void check_error(const SutraModel *model, const char *text, size_t size,
                        const SutraChunkOptions *o, SutraStatus status, const char *message)
{
    SutraError err = {0};
    SutraChunk *chunks = (SutraChunk *)o;
    size_t n = 1;
    assert_int_equal(sutra_chunk(model, text, size, o, &chunks, &n, &err), status);
    if (!strstr(err.message, message)) fail_msg("%s", err.message);
    assert_null(chunks);
    assert_int_equal(n, 0);
}

static void errors(void **state)
{
    Fixture *f = *state;
    SutraChunkOptions o = {.struct_size = sizeof o, .max_tokens = 8};
    check_error(f->model, "a\xff", 2, &o, SUTRA_E_ARGUMENT, "text is not valid UTF-8 at byte 1");
    check_error(f->model, "a b \xe4\xb8", 6, &o, SUTRA_E_ARGUMENT, "not valid UTF-8 at byte 4");
    check_error(f->model, NULL, 2, &o, SUTRA_E_ARGUMENT, "text is NULL, its size is 2");
    o.overlap = 6;
    check_error(f->model, "a", 1, &o, SUTRA_E_ARGUMENT,
                "overlap 6 is not less than the 6 tokens of text in a chunk of 8");
    o.overlap = 0;
    o.max_tokens = 2;
    check_error(f->model, "a", 1, &o, SUTRA_E_ARGUMENT,
                "max_tokens 2 leaves no room for text beside 2 tokens");
    o.max_tokens = 513;
    check_error(f->model, "a", 1, &o, SUTRA_E_LIMIT, "more than the model's 512 positions");
    o.max_tokens = 8;
    o.by = 3;
    check_error(f->model, "a", 1, &o, SUTRA_E_ARGUMENT, "by 3 is not known");
    o.by = 0;
    o.prompt_name = "none";
    check_error(f->model, "a", 1, &o, SUTRA_E_ARGUMENT, "has no prompt \"none\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_keep_their_promises),
        cmocka_unit_test(a_token_a_byte),
        cmocka_unit_test(prompts_whose_end_joins_the_text),
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(a_chunk_is_decided_soon_after_its_tokens),
        cmocka_unit_test(chunks_end_with_units),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
