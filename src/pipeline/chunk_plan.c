#include "pipeline/chunk_plan.h"

#include "base/status.h"

#include <string.h>

enum { ANY_LENGTH_CHUNK = 512 }; /* tokens, where neither caller nor model has a limit */

SutraStatus su_chunk_plan(const SutraModel *model, const SutraChunkOptions *given,
                          SuChunkRule *rule, SutraError *err)
{
    SutraChunkOptions o;
    const char *prompt = "";
    SU_TRY(su_options_read(&o, sizeof o, given, "SutraChunkOptions", err));
    if ((unsigned)o.by > SUTRA_CHUNK_PARAGRAPHS)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "by %d is not known", (int)o.by);
    if (su_model_is_reranker(model))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s is a reranker: it takes pairs of texts, no chunks",
                 model->name);
    uint32_t max_tokens = o.max_tokens ? o.max_tokens : model->max_tokens;
    if (max_tokens == SU_ANY_LENGTH) max_tokens = ANY_LENGTH_CHUNK;
    if (model->max_positions && max_tokens > model->max_positions)
        SU_RAISE(err, SUTRA_E_LIMIT, "max_tokens %u is more than the model's %u positions",
                 max_tokens, model->max_positions);
    SU_TRY(su_model_prompt(model, o.prompt_name, &prompt, err));
    *rule = (SuChunkRule){.by = o.by,
                          .max_tokens = max_tokens,
                          .overlap = o.overlap,
                          .prompt = prompt,
                          .prompt_size = strlen(prompt)};
    return SUTRA_OK;
}
