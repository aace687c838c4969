#include "tokenizer/chunker.h"

#include "base/memory.h"
#include "tokenizer/tokenizer_parts.h"
#include "unicode/segment.h"
#include "unicode/utf8.h"

#include <string.h>

enum {
    BYTES_PER_TOKEN = 32, /* of max_tokens: a chunk has no more bytes */
    AHEAD = 1024,         /* bytes past those that may tell where a sentence ends */
    MOST_TOKENS = 1 << 20,
    FIRST_GUESS = 6, /* bytes a token */
    MORE = 64,       /* bytes of a guess beside that: twice as much is more, in whole code points */
    LONGEST = 4,     /* bytes of a code point */
    SLACK = 2        /* tokens that a text of its own may have less than a part of a longer one */
};

struct SuChunker {
    const SuTokenizer *tokenizer;
    SuTokenizerScratch *scratch;
    SuChunkRule rule;
    size_t base, room;  /* tokens of a chunk without text; those that are left */
    size_t most, reach; /* bytes of a chunk; bytes that decide */
    size_t prompt_code_points;
    size_t guess;     /* bytes of text to tokenise for a chunk */
    uint32_t *begins; /* [room + SLACK + 1] code point where each token of the stretch begins */
    size_t num_begins, stretch;
    size_t wanted; /* bytes of the next stretch; 0: no blanks are at the start, as far as looked */
    size_t region; /* bytes that decide the chunk at start; 0: not known yet */
    char *buffer;  /* [capacity] */
    size_t capacity, filled;
    size_t valid;    /* bytes that are known to be UTF-8 */
    size_t start;    /* of the next chunk */
    size_t cut;      /* end of the last one: past start where they overlap */
    uint64_t origin; /* of the buffer in the text */
    char part[4];    /* [num_part] of a character, whose other bytes su_chunker_append waits for */
    size_t num_part;
    bool ended;
};

/* ---- life ---- */

static SutraStatus measure_prompt(SuChunker *chunker, SutraError *err)
{
    const SuChunkRule *rule = &chunker->rule;
    SuEncoding encoding;
    SuEncodeRequest request = {
        .prefix = rule->prompt, .prefix_size = rule->prompt_size, .text = "", .text_size = 0};
    SU_TRY(su_tokenizer_encode(chunker->tokenizer, chunker->scratch, &request, &encoding, err));
    if (rule->max_tokens <= encoding.num_tokens)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "max_tokens %u leaves no room for text beside %zu tokens, special ones and the "
                 "prompt's",
                 rule->max_tokens, encoding.num_tokens);
    if (rule->max_tokens > MOST_TOKENS)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "max_tokens %u is more than %d", rule->max_tokens,
                 MOST_TOKENS);
    chunker->base = encoding.num_tokens;
    chunker->room = rule->max_tokens - encoding.num_tokens;
    if (rule->overlap >= chunker->room)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "overlap %u is not less than the %zu tokens of text in a chunk of %u",
                 rule->overlap, chunker->room, rule->max_tokens);
    return SUTRA_OK;
}

/* Of the first chunk of a text, of which nothing is known. */
static size_t first_guess(const SuChunker *chunker) { return chunker->room * FIRST_GUESS + MORE; }

SutraStatus su_chunker_create(const SuTokenizer *tokenizer, const SuChunkRule *rule,
                              SuChunker **out, SutraError *err)
{
    SuChunker *chunker = su_calloc(1, sizeof *chunker);
    *out = NULL;
    if (!chunker) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a chunker");
    chunker->tokenizer = tokenizer;
    chunker->rule = *rule;
    SutraStatus status = su_tokenizer_scratch_create(&chunker->scratch, err);
    if (status == SUTRA_OK) status = measure_prompt(chunker, err);
    if (status == SUTRA_OK) {
        chunker->most = (size_t)rule->max_tokens * BYTES_PER_TOKEN;
        chunker->reach = chunker->most + AHEAD;
        chunker->guess = first_guess(chunker);
        chunker->prompt_code_points = su_utf8_count(rule->prompt, rule->prompt_size);
        chunker->begins = su_alloc(chunker->room + SLACK + 1, sizeof *chunker->begins);
        if (!chunker->begins)
            status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for a chunker");
    }
    if (status != SUTRA_OK) {
        su_chunker_free(chunker);
        return status;
    }
    *out = chunker;
    return SUTRA_OK;
}

void su_chunker_free(SuChunker *chunker)
{
    if (!chunker) return;
    su_tokenizer_scratch_free(chunker->scratch);
    su_free(chunker->begins);
    su_free(chunker->buffer);
    su_free(chunker);
}

/* ---- the buffer ---- */

static void drop_front(SuChunker *chunker)
{
    size_t front = chunker->start;
    memmove(chunker->buffer, chunker->buffer + front, chunker->filled - front);
    chunker->filled -= front;
    chunker->valid -= front;
    chunker->cut = chunker->cut > front ? chunker->cut - front : 0;
    chunker->origin += front;
    chunker->start = 0;
}

static SutraStatus grow(SuChunker *chunker, size_t capacity, SutraError *err)
{
    char *grown = su_realloc(chunker->buffer, capacity, 1);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", capacity);
    chunker->buffer = grown;
    chunker->capacity = capacity;
    return SUTRA_OK;
}

/* Twice the bytes: a piece without room then finds more than half of the buffer done with. */
SutraStatus su_chunker_reserve(SuChunker *chunker, size_t bytes, SutraError *err)
{
    size_t capacity;
    if (su_mul_overflows(bytes, 2, &capacity))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", bytes);
    SU_TRY(su_tokenizer_scratch_reserve(chunker->scratch, chunker->most + chunker->rule.prompt_size,
                                        err));
    return capacity > chunker->capacity ? grow(chunker, capacity, err) : SUTRA_OK;
}

SutraStatus su_chunker_push(SuChunker *chunker, const char *text, size_t size, SutraError *err)
{
    size_t needed;
    if (su_add_overflows(chunker->filled, size, &needed)) needed = SIZE_MAX;
    if (needed > chunker->capacity && chunker->start > chunker->capacity / 2) {
        drop_front(chunker);
        needed = chunker->filled + size;
    }
    if (needed > chunker->capacity) {
        size_t doubled = chunker->capacity * 2;
        SU_TRY(grow(chunker, needed > doubled ? needed : doubled, err));
    }
    if (size) memcpy(chunker->buffer + chunker->filled, text, size);
    chunker->filled += size;
    return SUTRA_OK;
}

static SutraStatus refuse(const SuChunker *chunker, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_ARGUMENT, "text is not valid UTF-8 at byte %llu",
             (unsigned long long)(chunker->origin + chunker->filled));
}

/* Goes on with the character that is cut, to its end if that is there. */
static SutraStatus join_part(SuChunker *chunker, const char *bytes, size_t size, size_t *taken,
                             SutraError *err)
{
    size_t bad, count;
    while (chunker->num_part && *taken < size) {
        chunker->part[chunker->num_part++] = bytes[*taken];
        if (su_utf8_validate(chunker->part, chunker->num_part, &bad, &count)) {
            SU_TRY(su_chunker_push(chunker, chunker->part, chunker->num_part, err));
            chunker->num_part = 0;
        } else if (chunker->num_part == LONGEST ||
                   !su_utf8_is_cut(chunker->part, chunker->num_part)) {
            return refuse(chunker, err);
        }
        ++*taken;
    }
    return SUTRA_OK;
}

SutraStatus su_chunker_append(SuChunker *chunker, const char *bytes, size_t size, size_t *taken,
                              SutraError *err)
{
    size_t bad, count;
    *taken = 0;
    SU_TRY(join_part(chunker, bytes, size, taken, err));
    const char *rest = bytes + *taken;
    size_t left = size - *taken;
    size_t good = su_utf8_validate(rest, left, &bad, &count) ? left : bad;
    SU_TRY(su_chunker_push(chunker, rest, good, err));
    *taken += good;
    left -= good;
    if (left == 0) return SUTRA_OK;
    if (left >= LONGEST || !su_utf8_is_cut(rest + good, left)) return refuse(chunker, err);
    memcpy(chunker->part, rest + good, left);
    chunker->num_part = left;
    *taken = size;
    return SUTRA_OK;
}

size_t su_chunker_part(const SuChunker *chunker) { return chunker->num_part; }

void su_chunker_end(SuChunker *chunker) { chunker->ended = true; }

size_t su_chunker_most(const SuChunker *chunker) { return chunker->most; }
size_t su_chunker_reach(const SuChunker *chunker) { return chunker->reach; }
size_t su_chunker_base(const SuChunker *chunker) { return chunker->base; }

size_t su_chunker_kept(const SuChunker *chunker) { return chunker->filled - chunker->start; }

/* ---- boundaries ---- */

typedef enum Level { CODE_POINT, CLUSTER, WORD, SENTENCE, PARAGRAPH, NUM_LEVELS } Level;

static Level level_of(SutraChunkBy by)
{
    return by == SUTRA_CHUNK_PARAGRAPHS ? PARAGRAPH : by == SUTRA_CHUNK_SENTENCES ? SENTENCE : WORD;
}

/* Where a chunk may end, and where without the blanks before that. */
typedef struct Cut {
    size_t at, solid; /* at 0: nowhere */
} Cut;

static unsigned levels_before(const SuSegmentStep *step)
{
    unsigned levels = 1u << CODE_POINT;
    if (step->boundaries & SU_BOUNDARY_CLUSTER) levels |= 1u << CLUSTER;
    if ((step->boundaries & SU_BOUNDARY_WORD) && !step->clinging) levels |= 1u << WORD;
    if (step->boundaries & SU_BOUNDARY_SENTENCE) levels |= 1u << SENTENCE;
    if (step->boundaries & SU_BOUNDARY_PARAGRAPH) levels |= 1u << PARAGRAPH;
    return levels;
}

/* A walk over a text that knows, at each code point, what a chunk that ends before it holds. */
typedef struct Walk {
    SuSegmenter segmenter;
    SuSegmentStep step;
    size_t solid; /* end of the last cluster that is not blank, before the one of `step` */
    bool blank;   /* the cluster of `step` as far as it */
} Walk;

static bool walk(Walk *it)
{
    size_t end = it->step.end;
    if (!su_segmenter_next(&it->segmenter, &it->step)) {
        if (!it->blank) it->solid = end;
        return false;
    }
    bool begins = it->step.boundaries & SU_BOUNDARY_CLUSTER;
    if (begins && end && !it->blank) it->solid = end;
    it->blank = it->step.blank && (begins || it->blank);
    return true;
}

/* Of a chunk that ends before the current code point; `before`: blank was so before it. */
static size_t solid_end(const Walk *it, bool before)
{
    bool begins = it->step.boundaries & SU_BOUNDARY_CLUSTER;
    return begins || before ? it->solid : it->step.begin;
}

/* The last cut of each level up to `limit`, beyond `floor`; first: the first one of clusters and of
 * code points. The end of the text is a cut of all levels. */
static void find_cuts(const char *text, size_t size, size_t limit, size_t floor, bool first,
                      Cut cuts[NUM_LEVELS])
{
    Walk it = {.solid = 0};
    unsigned found = 0;
    bool more, before = false;
    memset(cuts, 0, NUM_LEVELS * sizeof *cuts);
    su_segmenter_start(&it.segmenter, text, size);
    while ((more = walk(&it)) && it.step.begin <= limit) {
        size_t end = solid_end(&it, before);
        unsigned levels = end > floor ? levels_before(&it.step) : 0;
        if (first) levels &= ~found;
        found |= levels;
        for (int level = 0; level < NUM_LEVELS; level++)
            if (levels >> level & 1) cuts[level] = (Cut){it.step.begin, end};
        if (first && found >> CLUSTER & 1) return;
        before = it.blank;
    }
    if (more || limit < size || it.solid <= floor) return;
    for (int level = 0; level < NUM_LEVELS; level++)
        if (!first || !(found >> level & 1)) cuts[level] = (Cut){size, it.solid};
}

/* Bytes of blank clusters at the start. */
static size_t count_blank(const char *text, size_t size)
{
    Walk it = {.solid = 0};
    size_t begin = 0;
    su_segmenter_start(&it.segmenter, text, size);
    while (walk(&it)) {
        if (it.step.boundaries & SU_BOUNDARY_CLUSTER) begin = it.step.begin;
        if (!it.blank) return begin;
    }
    return size;
}

/* ---- tokens ---- */

static size_t byte_of(const char *text, size_t size, size_t code_point)
{
    size_t at = 0;
    while (at < size && code_point) {
        at++;
        while (at < size && su_utf8_is_continuation(text[at])) at++;
        code_point--;
    }
    return at;
}

/* The byte up to which the text has about so many tokens. */
static size_t limit_of(const SuChunker *chunker, const char *text, size_t tokens)
{
    if (tokens >= chunker->num_begins) return chunker->stretch;
    return byte_of(text, chunker->stretch, chunker->begins[tokens]);
}

/* text [size] as a text of its own. */
static SutraStatus encode_chunk(SuChunker *chunker, const char *text, size_t size, bool offsets,
                                SuEncoding *encoding, SutraError *err)
{
    SuEncodeRequest request = {.prefix = chunker->rule.prompt,
                               .prefix_size = chunker->rule.prompt_size,
                               .text = text,
                               .text_size = size,
                               .want_offsets = offsets || chunker->rule.overlap};
    return su_tokenizer_encode(chunker->tokenizer, chunker->scratch, &request, encoding, err);
}

/* Whether the chunk has tokens of its own. A prompt's last one may have become one of the text's:
 * then their number does not tell. */
static SutraStatus has_tokens(SuChunker *chunker, const char *text, size_t size,
                              SuEncoding *encoding, bool *has, SutraError *err)
{
    *has = encoding->num_tokens > chunker->base;
    if (*has || !chunker->rule.prompt_size) return SUTRA_OK;
    SU_TRY(encode_chunk(chunker, text, size, true, encoding, err));
    for (size_t i = 0; i < encoding->num_tokens && !*has; i++)
        *has = encoding->end[i] > chunker->prompt_code_points;
    return SUTRA_OK;
}

/* ---- the bytes that decide ---- */

/* Another chunk begins there. */
static void begin_at(SuChunker *chunker, size_t start)
{
    chunker->start = start;
    chunker->wanted = chunker->region = 0;
}

/* At most `most` bytes of text, whole characters. */
static size_t whole_characters(const char *text, size_t size, size_t most)
{
    if (size <= most) return size;
    while (most && su_utf8_is_continuation(text[most])) most--;
    return most;
}

/* Tokenises a stretch: where its tokens begin, for those that fit and a few more. If it has so many
 * the chunk is decided a little after them, else by all that it could have. */
static SutraStatus tokenize_stretch(SuChunker *chunker, const char *text, size_t size, bool over,
                                    SutraError *err)
{
    size_t wanted = chunker->room + SLACK + 1;
    size_t stretch = whole_characters(text, size, chunker->wanted);
    SuEncoding encoding;
    SuEncodeRequest request = {
        .text = text, .text_size = stretch, .want_offsets = true, .no_special_tokens = true};
    SU_TRY(su_tokenizer_encode(chunker->tokenizer, chunker->scratch, &request, &encoding, err));
    chunker->stretch = stretch;
    chunker->num_begins = encoding.num_tokens < wanted ? encoding.num_tokens : wanted;
    memcpy(chunker->begins, encoding.begin, chunker->num_begins * sizeof *chunker->begins);
    if (chunker->num_begins == wanted) {
        size_t region = limit_of(chunker, text, wanted - 1) + AHEAD;
        chunker->region = region < chunker->reach ? region : chunker->reach;
    } else if (chunker->wanted == chunker->most || (over && stretch == size)) {
        chunker->region = chunker->reach;
    } else {
        chunker->wanted *= 2;
        if (chunker->wanted > chunker->most) chunker->wanted = chunker->most;
    }
    return SUTRA_OK;
}

/* Of the `known` bytes from the start, those that decide the chunk; 0: more are needed, or there
 * are none. Each step takes as many bytes as it always does, or all of a text that is over. */
static SutraStatus find_region(SuChunker *chunker, size_t known, bool over, size_t *size,
                               SutraError *err)
{
    *size = 0;
    while (!chunker->wanted) {
        if (known == 0 || (known < AHEAD && !over)) return SUTRA_OK;
        const char *text = chunker->buffer + chunker->start;
        size_t blank = count_blank(text, whole_characters(text, known, AHEAD));
        known -= blank;
        begin_at(chunker, chunker->start + blank);
        if (!blank)
            chunker->wanted = chunker->guess < chunker->most ? chunker->guess : chunker->most;
    }
    const char *text = chunker->buffer + chunker->start;
    while (!chunker->region) {
        if (known < chunker->wanted && !over) return SUTRA_OK;
        SU_TRY(tokenize_stretch(chunker, text, known, over, err));
    }
    if (known >= chunker->region || over) *size = whole_characters(text, known, chunker->region);
    return SUTRA_OK;
}

/* ---- chunks ---- */

/* The cut of the coarsest level that has one, from `level` to `finest`. */
static Cut best_cut(const Cut cuts[NUM_LEVELS], Level level, Level finest)
{
    for (int at = (int)level; at >= (int)finest; at--)
        if (cuts[at].at) return cuts[at];
    return (Cut){0};
}

/* Tries the first cluster, then the first code point. */
static SutraStatus find_smallest(SuChunker *chunker, const char *text, size_t size, Cut *cut,
                                 SuEncoding *encoding, SutraError *err)
{
    Cut cuts[NUM_LEVELS];
    find_cuts(text, size, chunker->most, 0, true, cuts);
    for (int level = CLUSTER; level >= CODE_POINT; level--) {
        *cut = cuts[level];
        if (!cut->at) continue;
        SU_TRY(encode_chunk(chunker, text, cut->solid, false, encoding, err));
        if (encoding->num_tokens <= chunker->rule.max_tokens) return SUTRA_OK;
    }
    SU_RAISE(err, SUTRA_E_ARGUMENT,
             "max_tokens %u has no room for the character at byte %llu of the text",
             chunker->rule.max_tokens, (unsigned long long)(chunker->origin + chunker->start));
}

/* The end of the chunk that begins the text; cut->at 0: it would not get beyond `floor`, or cut a
 * cluster to do so. */
static SutraStatus find_end(SuChunker *chunker, const char *text, size_t size, size_t floor,
                            Cut *cut, SuEncoding *encoding, SutraError *err)
{
    Level level = level_of(chunker->rule.by);
    size_t tokens = chunker->room + SLACK, step = 1, tried = 0;
    while (tokens) {
        Cut cuts[NUM_LEVELS];
        find_cuts(text, size, limit_of(chunker, text, tokens), floor, false, cuts);
        *cut = best_cut(cuts, level, floor ? CLUSTER : CODE_POINT);
        if (!cut->at) break;
        if (cut->at == tried) { /* the same again */
            tokens--;
            continue;
        }
        tried = cut->at;
        SU_TRY(encode_chunk(chunker, text, cut->solid, false, encoding, err));
        if (encoding->num_tokens <= chunker->rule.max_tokens) return SUTRA_OK;
        size_t excess = encoding->num_tokens - chunker->rule.max_tokens;
        if (excess < step) excess = step;
        tokens = tokens > excess ? tokens - excess : 0;
        step *= 2;
    }
    *cut = (Cut){0};
    return floor ? SUTRA_OK : find_smallest(chunker, text, size, cut, encoding, err);
}

/* Where the next chunk begins, in this one, or else at its end. */
static size_t find_next(const SuChunker *chunker, const char *text, Cut cut,
                        const SuEncoding *encoding)
{
    const SuTemplate *list = &chunker->tokenizer->post_processor.single;
    size_t tail = 0, overlap = chunker->rule.overlap, first[NUM_LEVELS] = {0};
    while (tail < list->count && list->parts[list->count - 1 - tail].kind == SU_PART_SPECIAL)
        tail++;
    if (!overlap || encoding->num_tokens < tail + overlap) return cut.at;
    uint32_t begin = encoding->begin[encoding->num_tokens - tail - overlap];
    if (begin <= chunker->prompt_code_points) return cut.at;
    size_t from = byte_of(text, cut.solid, begin - chunker->prompt_code_points);
    SuSegmenter segmenter;
    SuSegmentStep step;
    su_segmenter_start(&segmenter, text, cut.solid);
    while (su_segmenter_next(&segmenter, &step)) {
        unsigned levels = levels_before(&step);
        if (step.begin < from || step.begin == 0) continue;
        for (int level = WORD; level < NUM_LEVELS; level++)
            if (!first[level] && (levels >> level & 1)) first[level] = step.begin;
        if (first[level_of(chunker->rule.by)]) break;
    }
    size_t unit = first[level_of(chunker->rule.by)];
    return unit ? unit : first[WORD] ? first[WORD] : cut.at;
}

/* Decides what begins at chunker->start, which moves on; *found false: that is no chunk. */
static SutraStatus decide(SuChunker *chunker, size_t size, bool *found, SutraChunk *chunk,
                          const char **text, SutraError *err)
{
    const char *at = chunker->buffer + chunker->start;
    size_t floor = chunker->cut > chunker->start ? chunker->cut - chunker->start : 0;
    *found = false;
    Cut cut = {0};
    SuEncoding encoding;
    SU_TRY(find_end(chunker, at, size, floor, &cut, &encoding, err));
    if (!cut.at) { /* the overlap leaves no room for more text */
        begin_at(chunker, chunker->cut);
        return SUTRA_OK;
    }
    SU_TRY(has_tokens(chunker, at, cut.solid, &encoding, found, err));
    *chunk = (SutraChunk){.begin = chunker->origin + chunker->start,
                          .end = chunker->origin + chunker->start + cut.solid,
                          .tokens = (uint32_t)encoding.num_tokens};
    *text = at;
    size_t next = *found ? find_next(chunker, at, cut, &encoding) : cut.at;
    chunker->guess = cut.at + cut.at / 4 + MORE;
    chunker->cut = chunker->start + cut.at;
    begin_at(chunker, chunker->start + next);
    return SUTRA_OK;
}

/* The bytes from the start that are known to be UTF-8; *over: there will be no others;
 * *bad: what follows is not UTF-8. */
static size_t find_known(SuChunker *chunker, bool *over, bool *bad)
{
    size_t at, count, left = chunker->filled - chunker->valid;
    if (left) {
        bool whole = su_utf8_validate(chunker->buffer + chunker->valid, left, &at, &count);
        chunker->valid += whole ? left : at;
        left -= whole ? left : at;
    }
    *over = chunker->ended && !left;
    *bad = left >= LONGEST || (left && chunker->ended);
    return chunker->valid - chunker->start;
}

SutraStatus su_chunker_next(SuChunker *chunker, bool *found, SutraChunk *chunk, const char **text,
                            SutraError *err)
{
    size_t size = 0;
    *found = false;
    do {
        bool over, bad;
        if (chunker->ended && chunker->cut >= chunker->filled) return SUTRA_OK;
        size_t known = find_known(chunker, &over, &bad);
        SU_TRY(find_region(chunker, known, over, &size, err));
        if (!size && bad)
            SU_RAISE(err, SUTRA_E_ARGUMENT, "text is not valid UTF-8 at byte %llu",
                     (unsigned long long)(chunker->origin + chunker->valid));
        if (size) SU_TRY(decide(chunker, size, found, chunk, text, err));
    } while (size && !*found);
    return SUTRA_OK;
}

void su_chunker_restart(SuChunker *chunker)
{
    chunker->cut = chunker->filled;
    chunker->guess = first_guess(chunker);
    chunker->ended = false;
    begin_at(chunker, chunker->filled);
}
