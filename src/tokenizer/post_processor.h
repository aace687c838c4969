/* post_processor.h - the post_processor section of tokenizer.json: where special tokens go, and the
 * type id of every token.
 *
 * TemplateProcessing, BertProcessing and RobertaProcessing become two short lists of parts: one for
 * a single text (sequence A), one for a pair (A and B), each sequence exactly once. ByteLevel and
 * RobertaProcessing may trim offsets (trim_offsets.c). A Sequence has at most one that adds tokens
 * and one that trims. */
#ifndef SU_POST_PROCESSOR_H
#define SU_POST_PROCESSOR_H

#include "base/json_file.h"

typedef enum SuPartKind { SU_PART_A = 0, SU_PART_B, SU_PART_SPECIAL } SuPartKind;

typedef struct SuPart {
    SuPartKind kind;
    int32_t id; /* of a special token */
    int32_t type_id;
} SuPart;

typedef struct SuTemplate {
    SuPart *parts; /* [count] */
    size_t count, num_special;
} SuTemplate;

typedef struct SuPostProcessor {
    SuTemplate single, pair;
    bool trim_offsets;
    bool trim_keeps_prefix; /* add_prefix_space: one space in front may be no part of the text */
} SuPostProcessor;

/* json may be NULL (no special tokens). Errors: FORMAT, UNSUPPORTED, MEMORY. */
SutraStatus su_post_processor_from_json(const json_t *json, const char *where,
                                        SuPostProcessor *processor, SutraError *err);
/* [CLS] A [SEP], [CLS] A [SEP] B [SEP]. Errors: MEMORY. */
SutraStatus su_post_processor_bert(int32_t cls_id, int32_t sep_id, SuPostProcessor *processor,
                                   SutraError *err);
/* Every type id becomes 0. */
void su_post_processor_clear_types(SuPostProcessor *processor);
void su_post_processor_free(SuPostProcessor *processor);

#endif
