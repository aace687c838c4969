/* Activations by the path of their class, as sentence-transformers writes them:
 * "torch.nn.modules.activation.Tanh". */
#include "model/model_parts.h"

#include <string.h>

/* The class at the end of the path, as the reference imports it. What is not torch's own it leaves
 * out for its default with a warning, which is refused here. */
SutraStatus su_model_activation(const char *path, const char *key, const char *where,
                                SutraActivation *activation, SutraError *err)
{
    static const struct {
        const char *name;
        SutraActivation kind;
    } classes[] = {{"Identity", SUTRA_ACT_NONE}, {"Tanh", SUTRA_ACT_TANH},
                   {"ReLU", SUTRA_ACT_RELU},     {"GELU", SUTRA_ACT_GELU_ERF},
                   {"SiLU", SUTRA_ACT_SILU},     {"Sigmoid", SUTRA_ACT_SIGMOID}};
    const char *name = strrchr(path, '.');
    if (name && strncmp(path, "torch.nn.", 9) == 0)
        for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
            if (strcmp(name + 1, classes[i].name) == 0) {
                *activation = classes[i].kind;
                return SUTRA_OK;
            }
    SU_RAISE(err, SUTRA_E_UNSUPPORTED,
             "%s: %s \"%.80s\" is not supported; known: Identity, Tanh, ReLU, GELU, SiLU, Sigmoid "
             "of torch.nn",
             where, key, path);
}
