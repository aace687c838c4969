#include "tokenizer/post_processor.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"

#include <string.h>

void su_post_processor_free(SuPostProcessor *processor)
{
    su_free(processor->single.parts);
    su_free(processor->pair.parts);
    *processor = (SuPostProcessor){0};
}

void su_post_processor_clear_types(SuPostProcessor *processor)
{
    for (size_t i = 0; i < processor->single.count; i++) processor->single.parts[i].type_id = 0;
    for (size_t i = 0; i < processor->pair.count; i++) processor->pair.parts[i].type_id = 0;
}

static SutraStatus set_parts(SuTemplate *list, const SuPart *parts, size_t count, SutraError *err)
{
    list->parts = su_alloc(count, sizeof *parts);
    if (!list->parts) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the post-processor");
    memcpy(list->parts, parts, count * sizeof *parts);
    list->count = count;
    for (size_t i = 0; i < count; i++) list->num_special += parts[i].kind == SU_PART_SPECIAL;
    return SUTRA_OK;
}

static SutraStatus no_processor(SuPostProcessor *processor, SutraError *err)
{
    const SuPart parts[] = {{SU_PART_A, 0, 0}, {SU_PART_B, 0, 1}};
    SU_TRY(set_parts(&processor->single, parts, 1, err));
    return set_parts(&processor->pair, parts, 2, err);
}

SutraStatus su_post_processor_bert(int32_t cls_id, int32_t sep_id, SuPostProcessor *processor,
                                   SutraError *err)
{
    const SuPart parts[] = {{SU_PART_SPECIAL, cls_id, 0},
                            {SU_PART_A, 0, 0},
                            {SU_PART_SPECIAL, sep_id, 0},
                            {SU_PART_B, 0, 1},
                            {SU_PART_SPECIAL, sep_id, 1}};
    SU_TRY(set_parts(&processor->single, parts, 3, err));
    return set_parts(&processor->pair, parts, 5, err);
}

/* ---- BertProcessing: "sep": ["[SEP]", 102], "cls": ["[CLS]", 101] ---- */

static SutraStatus bert_token(const json_t *json, const char *key, const char *where, int32_t *id,
                              SutraError *err)
{
    const json_t *token = json_object_get(json, key);
    if (!json_is_array(token) || json_array_size(token) != 2 ||
        !json_is_string(json_array_get(token, 0)))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: post_processor.%s is not a [token, id]", where, key);
    char name[32] = "post_processor.";
    return su_tokenizer_id(json_array_get(token, 1), strcat(name, key), where, id, err);
}

static SutraStatus bert_processing(const json_t *json, const char *where,
                                   SuPostProcessor *processor, SutraError *err)
{
    int32_t cls = 0, sep = 0;
    SU_TRY(bert_token(json, "cls", where, &cls, err));
    SU_TRY(bert_token(json, "sep", where, &sep, err));
    return su_post_processor_bert(cls, sep, processor, err);
}

static SutraStatus roberta_processing(const json_t *json, const char *where,
                                      SuPostProcessor *processor, SutraError *err)
{
    int32_t cls = 0, sep = 0;
    SU_TRY(bert_token(json, "cls", where, &cls, err));
    SU_TRY(bert_token(json, "sep", where, &sep, err));
    const SuPart parts[] = {{SU_PART_SPECIAL, cls, 0}, {SU_PART_A, 0, 0},
                            {SU_PART_SPECIAL, sep, 0}, {SU_PART_SPECIAL, sep, 0},
                            {SU_PART_B, 0, 0},         {SU_PART_SPECIAL, sep, 0}};
    SU_TRY(set_parts(&processor->single, parts, 3, err));
    return set_parts(&processor->pair, parts, 6, err);
}

/* ---- TemplateProcessing ----
 *
 * "single", "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
 *                    {"Sequence": {"id": "A", "type_id": 0}}, …]
 * "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [101, …], "tokens": […]}} */

/* The ids of a special token of a template. */
static SutraStatus find_ids(const json_t *special_tokens, const char *id, const char *where,
                            const json_t **ids, SutraError *err)
{
    const json_t *token = json_object_get(special_tokens, id);
    if (!token)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: post_processor.special_tokens does not hold \"%.64s\"",
                 where, id);
    *ids = json_object_get(token, "ids");
    if (!json_is_array(*ids))
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: post_processor.special_tokens: ids of \"%.64s\" is not an array", where, id);
    return SUTRA_OK;
}

static SutraStatus append(SuTemplate *list, SuPart part, SutraError *err)
{
    SuPart *grown = su_realloc(list->parts, list->count + 1, sizeof *grown);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the post-processor");
    list->parts = grown;
    list->parts[list->count++] = part;
    list->num_special += part.kind == SU_PART_SPECIAL;
    return SUTRA_OK;
}

static SutraStatus add_piece(const json_t *piece, const json_t *special_tokens, const char *where,
                             const char *key, SuTemplate *list, SutraError *err)
{
    const json_t *sequence = json_object_get(piece, "Sequence");
    const json_t *special = json_object_get(piece, "SpecialToken");
    const json_t *body = sequence ? sequence : special;
    const char *id = json_string_value(json_object_get(body, "id"));
    if (!id || json_object_size(piece) != 1)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: post_processor.%s holds something else than a Sequence or a SpecialToken",
                 where, key);
    SuPart part = {.kind = SU_PART_SPECIAL};
    SU_TRY(su_tokenizer_id(json_object_get(body, "type_id"), "post_processor type_id", where,
                           &part.type_id, err));
    if (sequence) {
        if (strcmp(id, "A") != 0 && strcmp(id, "B") != 0)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: post_processor.%s: sequence \"%.64s\" is not A or B",
                     where, key, id);
        part.kind = id[0] == 'A' ? SU_PART_A : SU_PART_B;
        return append(list, part, err);
    }
    const json_t *ids = NULL;
    SU_TRY(find_ids(special_tokens, id, where, &ids, err));
    for (size_t i = 0; i < json_array_size(ids); i++) {
        SU_TRY(su_tokenizer_id(json_array_get(ids, i), "post_processor id", where, &part.id, err));
        SU_TRY(append(list, part, err));
    }
    return SUTRA_OK;
}

static SutraStatus read_template(const json_t *json, const char *key, const char *where,
                                 bool has_pair, SuTemplate *list, SutraError *err)
{
    const json_t *pieces = json_object_get(json, key);
    if (!json_is_array(pieces))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: post_processor.%s is not an array", where, key);
    const json_t *special_tokens = json_object_get(json, "special_tokens");
    size_t sequences[2] = {0};
    for (size_t i = 0; i < json_array_size(pieces); i++)
        SU_TRY(add_piece(json_array_get(pieces, i), special_tokens, where, key, list, err));
    for (size_t i = 0; i < list->count; i++)
        if (list->parts[i].kind != SU_PART_SPECIAL) sequences[list->parts[i].kind]++;
    if (sequences[SU_PART_A] != 1 || sequences[SU_PART_B] != (has_pair ? 1 : 0))
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: post_processor.%s does not hold each of its sequences once", where, key);
    return SUTRA_OK;
}

static SutraStatus template_processing(const json_t *json, const char *where,
                                       SuPostProcessor *processor, SutraError *err)
{
    SU_TRY(read_template(json, "single", where, false, &processor->single, err));
    return read_template(json, "pair", where, true, &processor->pair, err);
}

/* ---- the section ---- */

static SutraStatus byte_level(const json_t *json, const char *where, SuPostProcessor *processor,
                              SutraError *err)
{
    (void)json, (void)where, (void)processor, (void)err;
    return SUTRA_OK; /* it trims */
}

typedef struct Row {
    const char *name;
    bool trims;
    SutraStatus (*read)(const json_t *json, const char *where, SuPostProcessor *processor,
                        SutraError *err);
} Row;

static const Row rows[] = {{"TemplateProcessing", false, template_processing},
                           {"BertProcessing", false, bert_processing},
                           {"RobertaProcessing", true, roberta_processing},
                           {"ByteLevel", true, byte_level}};
#define NUM_ROWS (sizeof rows / sizeof *rows)

static SutraStatus read_trim(const json_t *json, const char *where, SuPostProcessor *processor,
                             SutraError *err)
{
    bool trim = false;
    const char *section = "post_processor";
    SU_TRY(su_tokenizer_require_bool(json, section, "trim_offsets", where, &trim, err));
    if (!trim) return SUTRA_OK;
    if (processor->trim_offsets)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: post_processor: a Sequence of two that trim offsets is not supported", where);
    processor->trim_offsets = true;
    return su_tokenizer_require_bool(json, section, "add_prefix_space", where,
                                     &processor->trim_keeps_prefix, err);
}

static SutraStatus read_step(const json_t *json, const char *where, void *to, SutraError *err)
{
    SuPostProcessor *processor = to;
    const char *type;
    SU_TRY(su_tokenizer_component_type(json, "post_processor", where, &type, err));
    size_t at = 0;
    while (at < NUM_ROWS && strcmp(type, rows[at].name) != 0) at++;
    if (at == NUM_ROWS)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: post_processor \"%.64s\" is not supported (known: TemplateProcessing, "
                 "BertProcessing, RobertaProcessing, ByteLevel, Sequence)",
                 where, type);
    if (processor->single.count && rows[at].read != byte_level)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: post_processor: a Sequence of two that add tokens is not supported", where);
    if (rows[at].trims) SU_TRY(read_trim(json, where, processor, err));
    return rows[at].read(json, where, processor, err);
}

SutraStatus su_post_processor_from_json(const json_t *json, const char *where,
                                        SuPostProcessor *processor, SutraError *err)
{
    const SuStepList list = {
        .section = "post_processor", .members = "processors", .read = read_step, .to = processor};
    *processor = (SuPostProcessor){0};
    SU_TRY(su_tokenizer_read_steps(json, &list, where, err));
    return processor->single.count ? SUTRA_OK : no_processor(processor, err);
}
