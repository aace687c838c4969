#include "tokenizer/pre_tokenizer.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"
#include "unicode/utf8.h"

#include <string.h>

/* ---- the list ---- */

SutraStatus su_pre_tokenizer_add(SuPreTokenizer *pre_tokenizer, const SuPreTokenizerStep *step,
                                 SutraError *err)
{
    size_t count = pre_tokenizer->count + 1;
    SuPreTokenizerStep *grown = su_realloc(pre_tokenizer->steps, count, sizeof *grown);
    if (grown) pre_tokenizer->steps = grown;
    SuPreTokenizerStep copy = *step;
    copy.pattern = step->pattern ? su_strndup(step->pattern, step->pattern_size) : NULL;
    if (!grown || (step->pattern && !copy.pattern)) {
        su_free(copy.pattern);
        su_pattern_free(step->expression);
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu pre-tokenisers", count);
    }
    copy.scan = step->expression ? su_pattern_scanner_of(step->expression) : NULL;
    if (step->prepend == SU_PREPEND_FIRST) {
        pre_tokenizer->needs_source = true;
        for (size_t i = 0; i < pre_tokenizer->count; i++)
            pre_tokenizer->moves |= grown[i].kind == SU_PRE_TOKENIZER_BYTE_LEVEL ||
                                    grown[i].kind == SU_PRE_TOKENIZER_METASPACE;
    }
    grown[pre_tokenizer->count++] = copy;
    return SUTRA_OK;
}

void su_pre_tokenizer_free(SuPreTokenizer *pre_tokenizer)
{
    for (size_t i = 0; i < pre_tokenizer->count; i++) {
        su_free(pre_tokenizer->steps[i].pattern);
        su_pattern_free(pre_tokenizer->steps[i].expression);
    }
    su_free(pre_tokenizer->steps);
    *pre_tokenizer = (SuPreTokenizer){0};
}

bool su_pre_tokenizer_is_bert(const SuPreTokenizer *pre_tokenizer)
{
    return pre_tokenizer->count == 1 && pre_tokenizer->steps[0].kind == SU_PRE_TOKENIZER_BERT;
}

bool su_pre_tokenizer_ends_in_bytes(const SuPreTokenizer *pre_tokenizer)
{
    size_t count = pre_tokenizer->count;
    return count && pre_tokenizer->steps[count - 1].kind == SU_PRE_TOKENIZER_BYTE_LEVEL;
}

/* ---- reading ---- */

/* The place of a string in a list, or the list's length. */
static size_t place_of(const json_t *json, const char *const *names, size_t count)
{
    const char *text = json_string_value(json);
    size_t place = 0;
    while (place < count && !(text && strcmp(text, names[place]) == 0)) place++;
    return place;
}

static SutraStatus read_behavior(const json_t *json, const char *where, SuSplitBehavior *behavior,
                                 SutraError *err)
{
    static const char *const names[SU_NUM_SPLITS] = {[SU_SPLIT_REMOVED] = "Removed",
                                                     [SU_SPLIT_ISOLATED] = "Isolated",
                                                     [SU_SPLIT_MERGED_WITH_PREVIOUS] =
                                                         "MergedWithPrevious",
                                                     [SU_SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
                                                     [SU_SPLIT_CONTIGUOUS] = "Contiguous"};
    size_t place = place_of(json_object_get(json, "behavior"), names, SU_NUM_SPLITS);
    if (place == SU_NUM_SPLITS)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: pre_tokenizer.behavior is not one of Removed, Isolated, MergedWithPrevious, "
                 "MergedWithNext, Contiguous",
                 where);
    *behavior = (SuSplitBehavior)place;
    return SUTRA_OK;
}

static SutraStatus read_byte_level(const json_t *json, const char *where, SuPreTokenizerStep *step,
                                   SutraError *err)
{
    bool use_regex = true;
    step->behavior = SU_SPLIT_ISOLATED;
    SU_TRY(su_tokenizer_require_bool(json, "pre_tokenizer", "add_prefix_space", where,
                                     &step->add_prefix_space, err));
    SU_TRY(su_json_get_bool(json, "use_regex", where, &use_regex, err));
    step->whole = !use_regex;
    return SUTRA_OK;
}

static SutraStatus read_removed(const json_t *json, const char *where, SuPreTokenizerStep *step,
                                SutraError *err)
{
    (void)json, (void)where, (void)err;
    step->behavior = SU_SPLIT_REMOVED;
    return SUTRA_OK;
}

static SutraStatus read_punctuation(const json_t *json, const char *where, SuPreTokenizerStep *step,
                                    SutraError *err)
{
    step->behavior = SU_SPLIT_ISOLATED;
    if (!json_object_get(json, "behavior")) return SUTRA_OK;
    return read_behavior(json, where, &step->behavior, err);
}

static SutraStatus read_digits(const json_t *json, const char *where, SuPreTokenizerStep *step,
                               SutraError *err)
{
    bool individual = false;
    SU_TRY(su_tokenizer_require_bool(json, "pre_tokenizer", "individual_digits", where, &individual,
                                     err));
    step->behavior = individual ? SU_SPLIT_ISOLATED : SU_SPLIT_CONTIGUOUS;
    return SUTRA_OK;
}

/* add_prefix_space is the older name of prepend_scheme: false is "never". */
static SutraStatus read_prepend(const json_t *json, const char *where, SuPreTokenizerStep *step,
                                SutraError *err)
{
    static const char *const names[SU_NUM_PREPENDS] = {
        [SU_PREPEND_NEVER] = "never", [SU_PREPEND_ALWAYS] = "always", [SU_PREPEND_FIRST] = "first"};
    const json_t *scheme = json_object_get(json, "prepend_scheme");
    bool space = true;
    size_t place = scheme ? place_of(scheme, names, SU_NUM_PREPENDS) : SU_PREPEND_ALWAYS;
    if (place == SU_NUM_PREPENDS)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: pre_tokenizer.prepend_scheme is not one of never, always, first", where);
    SU_TRY(su_json_get_bool(json, "add_prefix_space", where, &space, err));
    if (!space && place != SU_PREPEND_NEVER)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: pre_tokenizer.add_prefix_space is false, but prepend_scheme is \"%s\"", where,
                 names[place]);
    step->prepend = (SuPrependScheme)place;
    return SUTRA_OK;
}

static SutraStatus read_metaspace(const json_t *json, const char *where, SuPreTokenizerStep *step,
                                  SutraError *err)
{
    bool split = true;
    step->behavior = SU_SPLIT_MERGED_WITH_NEXT;
    SU_TRY(su_tokenizer_require_text(json, "pre_tokenizer", "replacement", where, &step->pattern,
                                     &step->pattern_size, err));
    if (su_utf8_count(step->pattern, step->pattern_size) != 1)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: pre_tokenizer.replacement is not one character", where);
    SU_TRY(read_prepend(json, where, step, err));
    SU_TRY(su_json_get_bool(json, "split", where, &split, err));
    step->whole = !split;
    return SUTRA_OK;
}

static SutraStatus read_split(const json_t *json, const char *where, SuPreTokenizerStep *step,
                              SutraError *err)
{
    bool regex;
    SU_TRY(su_tokenizer_require_pattern(json, "pre_tokenizer", where, &step->pattern,
                                        &step->pattern_size, &regex, err));
    SU_TRY(su_tokenizer_require_bool(json, "pre_tokenizer", "invert", where, &step->invert, err));
    SU_TRY(read_behavior(json, where, &step->behavior, err));
    if (!regex) return SUTRA_OK;
    return su_pattern_create(step->pattern, step->pattern_size, "pre_tokenizer", where,
                             &step->expression, err);
}

static SutraStatus read_delimiter(const json_t *json, const char *where, SuPreTokenizerStep *step,
                                  SutraError *err)
{
    step->kind = SU_PRE_TOKENIZER_SPLIT;
    step->behavior = SU_SPLIT_REMOVED;
    SU_TRY(su_tokenizer_require_text(json, "pre_tokenizer", "delimiter", where, &step->pattern,
                                     &step->pattern_size, err));
    if (su_utf8_count(step->pattern, step->pattern_size) != 1)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: pre_tokenizer.delimiter is not one character", where);
    return SUTRA_OK;
}

static SutraStatus read_scripts(const json_t *json, const char *where, SuPreTokenizerStep *step,
                                SutraError *err)
{
    (void)json, (void)where, (void)step, (void)err;
    return SUTRA_OK;
}

static SutraStatus read_length(const json_t *json, const char *where, SuPreTokenizerStep *step,
                               SutraError *err)
{
    const json_t *length = json_object_get(json, "length");
    step->length = 5; /* as the reference has it */
    if (!length) return SUTRA_OK;
    if (!json_is_integer(length) || json_integer_value(length) < 1)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: pre_tokenizer.length is not a number from 1", where);
    json_int_t value = json_integer_value(length);
    step->length = value < (json_int_t)UINT32_MAX ? (uint32_t)value : UINT32_MAX;
    return SUTRA_OK;
}

typedef struct Row {
    const char *name;
    SutraStatus (*read)(const json_t *json, const char *where, SuPreTokenizerStep *step,
                        SutraError *err); /* the text is borrowed from json */
} Row;

/* Each kind by its name, and behind them what is read as another kind. */
static const Row rows[] = {
    [SU_PRE_TOKENIZER_BERT] = {"BertPreTokenizer", read_removed},
    [SU_PRE_TOKENIZER_BYTE_LEVEL] = {"ByteLevel", read_byte_level},
    [SU_PRE_TOKENIZER_WHITESPACE] = {"Whitespace", read_removed},
    [SU_PRE_TOKENIZER_WHITESPACE_SPLIT] = {"WhitespaceSplit", read_removed},
    [SU_PRE_TOKENIZER_PUNCTUATION] = {"Punctuation", read_punctuation},
    [SU_PRE_TOKENIZER_DIGITS] = {"Digits", read_digits},
    [SU_PRE_TOKENIZER_METASPACE] = {"Metaspace", read_metaspace},
    [SU_PRE_TOKENIZER_SPLIT] = {"Split", read_split},
    [SU_PRE_TOKENIZER_SCRIPTS] = {"UnicodeScripts", read_scripts},
    [SU_PRE_TOKENIZER_FIXED_LENGTH] = {"FixedLength", read_length},
    [SU_NUM_PRE_TOKENIZERS] = {"CharDelimiterSplit", read_delimiter},
};

#define NUM_ROWS (sizeof rows / sizeof *rows)

#define KNOWN_PRE_TOKENIZERS                                                                     \
    "BertPreTokenizer, ByteLevel, Whitespace, WhitespaceSplit, Punctuation, Digits, Metaspace, " \
    "Split, CharDelimiterSplit, UnicodeScripts, FixedLength, Sequence"

static SutraStatus read_step(const json_t *json, const char *where, void *to, SutraError *err)
{
    SuPreTokenizer *pre_tokenizer = to;
    SuPreTokenizerStep step = {.kind = SU_PRE_TOKENIZER_BERT};
    const char *type;
    size_t row = 0;
    SU_TRY(su_tokenizer_component_type(json, "pre_tokenizer", where, &type, err));
    while (row < NUM_ROWS && strcmp(type, rows[row].name) != 0) row++;
    if (row == NUM_ROWS)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: pre_tokenizer \"%.64s\" is not supported (known: " KNOWN_PRE_TOKENIZERS ")",
                 where, type);
    if (pre_tokenizer->count == SU_MAX_STEPS)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: pre_tokenizer has more than %u steps", where,
                 SU_MAX_STEPS);
    step.kind = (SuPreTokenizerKind)row;
    SU_TRY(rows[row].read(json, where, &step, err));
    return su_pre_tokenizer_add(pre_tokenizer, &step, err);
}

SutraStatus su_pre_tokenizer_from_json(const json_t *json, const char *where,
                                       SuPreTokenizer *pre_tokenizer, SutraError *err)
{
    const SuStepList list = {.section = "pre_tokenizer",
                             .members = "pretokenizers",
                             .read = read_step,
                             .to = pre_tokenizer};
    *pre_tokenizer = (SuPreTokenizer){0};
    return su_tokenizer_read_steps(json, &list, where, err);
}
