/* chunk_plan.h - SutraChunkOptions, checked and completed from the model. */
#ifndef SU_CHUNK_PLAN_H
#define SU_CHUNK_PLAN_H

#include "pipeline/engine.h"
#include "tokenizer/chunker.h"

/* options may be NULL; rule->prompt is the model's. Errors: as sutra_chunk. */
SutraStatus su_chunk_plan(const SutraModel *model, const SutraChunkOptions *options,
                          SuChunkRule *rule, SutraError *err);

#endif
