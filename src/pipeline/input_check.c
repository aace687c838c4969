/* What an input may hold, whichever function it is given to. */
#include "base/status.h"
#include "pipeline/engine.h"

SutraStatus su_input_check(const SutraInput *input, SutraError *err)
{
    if (!input->text && input->text_size)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "text is NULL, its size is %zu", input->text_size);
    if (!input->pair && input->pair_size)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "pair is NULL, its size is %zu", input->pair_size);
    if (!input->token_ids && input->num_token_ids)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "token_ids is NULL, its size is %zu", input->num_token_ids);
    if (input->token_ids && input->text)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "text and token_ids are both given");
    if (input->token_ids && input->pair)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "pair is for text: token_ids are taken as they are");
    if (input->token_ids && input->prompt_name && *input->prompt_name)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "prompt_name \"%s\" is for text: token_ids are taken as they are",
                 input->prompt_name);
    return SUTRA_OK;
}

SutraStatus su_inputs_check_reserved(const SutraInput *inputs, size_t n, SutraError *err)
{
    for (size_t i = 0; i < n; i++)
        if (inputs[i].reserved[0] | inputs[i].reserved[1])
            return su_error_set_item(err, SUTRA_E_ABI, i, true, "reserved words are not zero");
    return SUTRA_OK;
}
