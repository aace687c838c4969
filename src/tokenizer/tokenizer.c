/* tokenizer.c - the tokenizer as a whole: building's last step, and encoding around the parts.
 *
 *   text -> plain added tokens cut out -> slices -> fast or slow path -> row of tokens
 *   rows of text and pair -> truncated -> put together with the special tokens
 */
#include "tokenizer/tokenizer.h"

#include "base/memory.h"
#include "tokenizer/tokenizer_parts.h"
#include "unicode/utf8.h"

#include <string.h>

/* ---- the tokenizer ---- */

const char *su_tokenizer_token(const SuTokenizer *tokenizer, int32_t id, size_t *size)
{
    const SuAddedToken *added = su_added_tokens_with_id(&tokenizer->added, id);
    SuToken token = {0};
    if (added)
        token = (SuToken){added->content, added->size, id};
    else
        su_vocabulary_token(&tokenizer->vocabulary, id, &token);
    *size = token.size;
    return token.text;
}

bool su_tokenizer_is_named_special(const SuTokenizer *tokenizer, int32_t id)
{
    const SuAddedToken *added = su_added_tokens_with_id(&tokenizer->added, id);
    return added && added->named;
}

static SutraStatus check_template(const SuTokenizer *tokenizer, const SuTemplate *list,
                                  const char *where, SutraError *err)
{
    size_t size;
    for (size_t i = 0; i < list->count; i++)
        if (list->parts[i].kind == SU_PART_SPECIAL &&
            !su_tokenizer_token(tokenizer, list->parts[i].id, &size))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: the post-processor's id %d is not in the vocabulary",
                     where, (int)list->parts[i].id);
    return SUTRA_OK;
}

SutraStatus su_tokenizer_finish(SuTokenizer *tokenizer, const char *where, SutraError *err)
{
    const SuVocabulary *vocabulary = &tokenizer->vocabulary;
    const SuAddedTokens *added = &tokenizer->added;
    if (vocabulary->count == 0) SU_RAISE(err, SUTRA_E_FORMAT, "%s: the vocabulary is empty", where);
    int32_t highest = su_vocabulary_at(vocabulary, vocabulary->count - 1).id;
    if (added->count && added->tokens[added->count - 1].id > highest)
        highest = added->tokens[added->count - 1].id;
    tokenizer->vocab_size = (uint32_t)highest + 1;
    SU_TRY(check_template(tokenizer, &tokenizer->post_processor.single, where, err));
    SU_TRY(check_template(tokenizer, &tokenizer->post_processor.pair, where, err));
    su_tokenizer_prepare_fast(tokenizer);
    return SUTRA_OK;
}

void su_tokenizer_free(SuTokenizer *tokenizer)
{
    if (!tokenizer) return;
    su_token_model_free(&tokenizer->model);
    if (!tokenizer->mapped) su_vocabulary_free(&tokenizer->vocabulary);
    su_normalizer_free(&tokenizer->normalizer);
    su_pre_tokenizer_free(&tokenizer->pre_tokenizer);
    su_added_tokens_free(&tokenizer->added);
    su_post_processor_free(&tokenizer->post_processor);
    su_decoder_free(&tokenizer->decoder);
    su_free(tokenizer);
}

uint32_t su_tokenizer_vocab_size(const SuTokenizer *tokenizer) { return tokenizer->vocab_size; }

static const SuTemplate *template_of(const SuTokenizer *tokenizer, bool pair)
{
    return pair ? &tokenizer->post_processor.pair : &tokenizer->post_processor.single;
}

uint32_t su_tokenizer_num_special(const SuTokenizer *tokenizer, bool pair)
{
    return (uint32_t)template_of(tokenizer, pair)->num_special;
}

/* ---- scratch ---- */

SutraStatus su_tokenizer_scratch_create(SuTokenizerScratch **scratch, SutraError *err)
{
    *scratch = su_calloc(1, sizeof **scratch);
    if (!*scratch) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a tokenizer's scratch");
    return SUTRA_OK;
}

void su_tokenizer_scratch_free(SuTokenizerScratch *scratch)
{
    if (!scratch) return;
    su_normalized_free(&scratch->normalized);
    su_pre_tokenizer_scratch_free(&scratch->pre_tokenizer);
    su_model_scratch_free(&scratch->model);
    su_token_row_free(&scratch->rows[0]);
    su_token_row_free(&scratch->rows[1]);
    su_token_row_free(&scratch->result);
    su_free(scratch->type_ids);
    su_free(scratch->special);
    su_free(scratch->joined);
    su_free(scratch);
}

static SutraStatus reserve_type_ids(SuTokenizerScratch *scratch, size_t count, SutraError *err)
{
    if (count <= scratch->type_capacity) return SUTRA_OK;
    int32_t *grown = su_realloc(scratch->type_ids, count, sizeof *grown);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", count);
    scratch->type_ids = grown;
    uint8_t *special = su_realloc(scratch->special, count, 1);
    if (!special) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", count);
    scratch->special = special;
    scratch->type_capacity = count;
    return SUTRA_OK;
}

static SutraStatus reserve_joined(SuTokenizerScratch *scratch, size_t size, SutraError *err)
{
    if (size <= scratch->joined_capacity) return SUTRA_OK;
    char *grown = su_realloc(scratch->joined, size, 1);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", size);
    scratch->joined = grown;
    scratch->joined_capacity = size;
    return SUTRA_OK;
}

/* What is reserved for special tokens; templates have two or three. */
#define SPECIAL_ROOM 16u

SutraStatus su_tokenizer_scratch_reserve(SuTokenizerScratch *scratch, size_t text_size,
                                         SutraError *err)
{
    /* The densest text has three tokens for two bytes: one for each mark of U+0390. */
    size_t tokens;
    if (su_mul_overflows(text_size, 2, &tokens) || su_add_overflows(tokens, SPECIAL_ROOM, &tokens))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", text_size);
    SU_TRY(su_normalized_reserve(&scratch->normalized, text_size, true, err));
    SU_TRY(su_token_row_reserve(&scratch->rows[0], tokens, true, err));
    SU_TRY(su_token_row_reserve(&scratch->rows[1], tokens, true, err));
    SU_TRY(su_token_row_reserve(&scratch->result, 2 * tokens, true, err));
    SU_TRY(reserve_type_ids(scratch, 2 * tokens, err));
    return reserve_joined(scratch, text_size, err);
}

/* ---- one text ---- */

static SutraStatus check_text(const char *text, size_t size, const char *name, SutraError *err)
{
    size_t bad, count;
    if (!su_utf8_validate(text, size, &bad, &count))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "%s is not valid UTF-8 at byte %zu", name, bad);
    if (count >= UINT32_MAX)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s has %zu code points, more than can be counted", name,
                 count);
    return SUTRA_OK;
}

/* Turns byte offsets into code point offsets, walking from the one asked for before. */
typedef struct Position {
    const char *text;
    size_t byte;
    uint32_t code_point;
} Position;

static uint32_t code_point_at(Position *position, size_t byte)
{
    const char *text = position->text;
    if (byte >= position->byte)
        position->code_point +=
            (uint32_t)su_utf8_count(text + position->byte, byte - position->byte);
    else
        position->code_point -= (uint32_t)su_utf8_count(text + byte, position->byte - byte);
    position->byte = byte;
    return position->code_point;
}

static SutraStatus encode_text(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch,
                               const char *text, size_t size, SuTokenRow *row, SutraError *err)
{
    SuAddedCursor cursor = su_added_cursor(&tokenizer->added.plain, text, size);
    SuAddedPiece piece;
    Position position = {.text = text};
    while (su_added_cursor_next(&cursor, &piece)) {
        uint32_t begin = 0, end = 0;
        if (piece.begin == piece.end) continue;
        if (row->with_offsets || tokenizer->pre_tokenizer.needs_source)
            begin = code_point_at(&position, piece.begin);
        if (piece.token) {
            if (row->with_offsets) end = code_point_at(&position, piece.end);
            SU_TRY(su_token_row_push(row, piece.token->id, begin, end, err));
            continue;
        }
        const char *slice = text + piece.begin;
        size_t slice_size = piece.end - piece.begin;
        SU_TRY((tokenizer->fast ? su_tokenizer_encode_fast : su_tokenizer_encode_slow)(
            tokenizer, scratch, slice, slice_size, begin, row, err));
    }
    return SUTRA_OK;
}

/* ---- a request ---- */

/* The prompt and the text as one string. */
static SutraStatus join(SuTokenizerScratch *scratch, const SuEncodeRequest *request,
                        const char **text, size_t *size, SutraError *err)
{
    *text = request->text;
    *size = request->text_size;
    if (request->prefix_size == 0) return SUTRA_OK;
    if (su_add_overflows(request->prefix_size, request->text_size, size))
        SU_RAISE(err, SUTRA_E_LIMIT, "prompt and text are too long");
    SU_TRY(reserve_joined(scratch, *size, err));
    memcpy(scratch->joined, request->prefix, request->prefix_size);
    if (request->text_size)
        memcpy(scratch->joined + request->prefix_size, request->text, request->text_size);
    *text = scratch->joined;
    return SUTRA_OK;
}

/* How many tokens of each text are kept: longest first, as the reference cuts. */
static void share(size_t room, const size_t seen[2], size_t keep[2])
{
    keep[0] = seen[0];
    keep[1] = seen[1];
    if (seen[0] <= room && seen[1] <= room - seen[0]) return;
    size_t shorter = seen[0] > seen[1] ? 1 : 0, longer = 1 - shorter;
    if (seen[shorter] <= room / 2) {
        keep[longer] = room - seen[shorter];
    } else {
        keep[shorter] = room / 2;
        keep[longer] = room - room / 2;
    }
}

/* The rows and the special tokens, in the template's order, in scratch->result. */
static SutraStatus put_together(const SuTokenizer *tokenizer, const SuTemplate *list,
                                SuTokenizerScratch *scratch, const size_t keep[2], bool no_special,
                                SutraError *err)
{
    SuTokenRow *out = &scratch->result;
    size_t total = keep[0] + keep[1] + list->num_special;
    bool with_offsets = scratch->rows[0].with_offsets;
    SU_TRY(su_token_row_reserve(out, total + 1, with_offsets, err)); /* never NULL */
    SU_TRY(reserve_type_ids(scratch, total + 1, err));
    su_token_row_begin(out, SIZE_MAX, false, with_offsets);
    for (size_t i = 0; i < list->count; i++) {
        const SuPart *part = &list->parts[i];
        size_t from = out->size;
        if (part->kind != SU_PART_SPECIAL) {
            const SuTokenRow *row = &scratch->rows[part->kind];
            size_t kept, begin = su_token_row_kept(row, keep[part->kind], &kept);
            if (kept) memcpy(out->ids + from, row->ids + begin, kept * sizeof *out->ids);
            if (kept && with_offsets) {
                memcpy(out->begin + from, row->begin + begin, kept * sizeof *out->begin);
                memcpy(out->end + from, row->end + begin, kept * sizeof *out->end);
            }
            out->size += kept;
            if (with_offsets && tokenizer->post_processor.trim_offsets)
                su_tokenizer_trim_offsets(tokenizer, scratch->texts[part->kind], out, from);
        } else if (!no_special) {
            SU_TRY(su_token_row_push(out, part->id, 0, 0, err));
        }
        for (size_t j = from; j < out->size; j++) scratch->type_ids[j] = part->type_id;
        memset(scratch->special + from, part->kind == SU_PART_SPECIAL, out->size - from);
    }
    return SUTRA_OK;
}

SutraStatus su_tokenizer_encode(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch,
                                const SuEncodeRequest *request, SuEncoding *encoding,
                                SutraError *err)
{
    const char *text;
    size_t size, room = SIZE_MAX, keep[2];
    bool pair = request->pair != NULL;
    const SuTemplate *list = template_of(tokenizer, pair);
    size_t num_special = request->no_special_tokens ? 0 : list->num_special;
    if (request->max_tokens && request->max_tokens < num_special)
        SU_RAISE(err, SUTRA_E_LIMIT, "max_tokens is %u, but %zu tokens are special tokens",
                 request->max_tokens, num_special);
    if (request->max_tokens) room = request->max_tokens - num_special;
    SU_TRY(join(scratch, request, &text, &size, err));
    SU_TRY(check_text(text, size, "text", err));
    if (pair) SU_TRY(check_text(request->pair, request->pair_size, "pair", err));

    for (int i = 0; i < 2; i++)
        su_token_row_begin(&scratch->rows[i], room, request->truncate_left, request->want_offsets);
    scratch->texts[0] = text;
    scratch->texts[1] = request->pair;
    SU_TRY(encode_text(tokenizer, scratch, text, size, &scratch->rows[0], err));
    if (pair)
        SU_TRY(encode_text(tokenizer, scratch, request->pair, request->pair_size, &scratch->rows[1],
                           err));
    const size_t seen[2] = {scratch->rows[0].seen, scratch->rows[1].seen};
    share(room, seen, keep);
    SU_TRY(put_together(tokenizer, list, scratch, keep, request->no_special_tokens, err));
    *encoding = (SuEncoding){
        .token_ids = scratch->result.ids,
        .type_ids = scratch->type_ids,
        .special = scratch->special,
        .begin = request->want_offsets ? scratch->result.begin : NULL,
        .end = request->want_offsets ? scratch->result.end : NULL,
        .num_tokens = scratch->result.size,
        .tokens_seen = seen[0] + seen[1] + num_special,
    };
    return SUTRA_OK;
}
