#include "request_tokens.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

char *su_prompted_text(const char *prompt, const SutraInput *input, size_t *size)
{
    size_t prompt_size = strlen(prompt);
    *size = prompt_size + input->text_size;
    char *text = su_alloc(*size + 1, 1);
    if (!text) return NULL;
    memcpy(text, prompt, prompt_size);
    if (input->text_size) memcpy(text + prompt_size, input->text, input->text_size);
    return text;
}

static SutraStatus count(const SutraModel *model, const SutraInput *input, uint32_t most,
                         uint64_t *sum, SutraError *err)
{
    const char *prompt;
    SutraTokens *tokens;
    SutraTokensView view = {.struct_size = sizeof view};
    SutraInput whole = *input;
    SU_TRY(sutra_model_prompt(model, input->prompt_name, &prompt, err));
    char *text = su_prompted_text(prompt, input, &whole.text_size);
    if (!text) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a text");
    whole.text = text;
    SutraStatus status = sutra_tokenize(model, &whole, 1, most, &tokens, err);
    if (status == SUTRA_OK) {
        sutra_tokens_view(tokens, &view, NULL);
        *sum += view.cu_seqlens[1];
        sutra_tokens_free(tokens);
    }
    su_free(text);
    return status;
}

bool su_request_tokens_fit(const SutraModel *model, const SutraInput *inputs, size_t n,
                           uint32_t each_most, uint64_t most, SuProblem *problem)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        SutraError err = {0};
        SutraStatus status = count(model, &inputs[i], each_most, &sum, &err);
        if (status != SUTRA_E_MEMORY) continue;
        su_problem_of_engine(problem, &err);
        return false;
    }
    return sum <= most ||
           su_problem_set(problem, 400, "max_tokens_per_request", NULL,
                          "The request has %llu tokens; this server takes %llu in a request.",
                          (unsigned long long)sum, (unsigned long long)most);
}
