/* Cross-encoders: models for sequence classification with one label, whose logit is the score of a
 * pair of texts.
 *
 *   config.json    "architectures": ["BertForSequenceClassification"],
 *                  "id2label": {"0": "LABEL_0"} or "num_labels": 1,
 *                  "sentence_transformers": {"activation_fn": "torch.nn.….Sigmoid"} or
 *                  "sbert_ce_default_activation_function": "torch.nn.….Sigmoid"
 *   config_sentence_transformers.json, beside a modules.json
 *                  "model_type": "CrossEncoder", "activation_fn": "torch.nn.….Identity"
 *
 * The activation is the first of the three that is given, else the sigmoid. */
#include "model/model_parts.h"

#include <stdio.h>
#include <string.h>

SutraStatus su_classifier_declared(const char *folder, SuModuleChain *chain, SutraError *err)
{
    SuConfigFile file;
    const char *type = NULL, *class = NULL;
    SU_TRY(su_config_file_open(folder, "config_sentence_transformers.json", &file, err));
    SutraStatus status = su_json_get_string(file.root, "model_type", file.path, &type, err);
    chain->classifier = type && strcmp(type, "CrossEncoder") == 0;
    if (status == SUTRA_OK && chain->classifier)
        status = su_json_get_string(file.root, "activation_fn", file.path, &class, err);
    chain->activation_given = class != NULL;
    if (status == SUTRA_OK && class)
        status = su_model_activation(class, "activation_fn", file.path, &chain->activation, err);
    su_config_file_close(&file);
    return status;
}

/* "contradiction, entailment, neutral", in the order of id2label; what does not fit is left out. */
static void list_labels(const json_t *labels, char *list, size_t capacity)
{
    const char *id;
    json_t *label;
    size_t used = 0;
    list[0] = '\0';
    json_object_foreach((json_t *)labels, id, label)
    {
        const char *name = json_string_value(label);
        if (used < capacity)
            used += (size_t)snprintf(list + used, capacity - used, "%s%.40s", used ? ", " : "",
                                     name ? name : id);
    }
}

/* id2label says how many there are, else num_labels, else there are two; but there is one, whatever
 * they say, where architectures does not speak of a classifier. */
static SutraStatus check_labels(const json_t *config, const char *where, SutraError *err)
{
    const json_t *labels = json_object_get(config, "id2label");
    char names[160] = "";
    uint32_t count = 2;
    if (!su_family_is_classifier(config)) return SUTRA_OK;
    if (labels && !json_is_null(labels) && !json_is_object(labels))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: id2label is not an object", where);
    SU_TRY(su_json_get_u32(config, "num_labels", where, 0, 1u << 16, &count, err));
    if (json_is_object(labels)) {
        count = (uint32_t)json_object_size(labels);
        list_labels(labels, names, sizeof names);
    }
    if (count == 1) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_UNSUPPORTED,
             "%s: a classifier of %u labels%s%s%s is not supported: a reranker has one, and an "
             "embedding model has a modules.json",
             where, count, *names ? " (" : "", names, *names ? ")" : "");
}

/* The older key counts only without the newer one, which may be null: the default. */
static SutraStatus read_activation(const json_t *config, const char *where, SuModuleChain *chain,
                                   SutraError *err)
{
    const char *class = NULL, *key = "sbert_ce_default_activation_function";
    const json_t *newer = json_object_get(config, "sentence_transformers"), *from = config;
    if (newer && !json_is_null(newer) && !json_is_object(newer))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: sentence_transformers is not an object", where);
    if (json_object_get(newer, "activation_fn")) {
        from = newer;
        key = "activation_fn";
    }
    SU_TRY(su_json_get_string(from, key, where, &class, err));
    chain->activation = SUTRA_ACT_SIGMOID;
    return class ? su_model_activation(class, key, where, &chain->activation, err) : SUTRA_OK;
}

SutraStatus su_classifier_read(const SuFamily *family, const json_t *config, const char *where,
                               SuModuleChain *chain, SutraError *err)
{
    if (!chain->from_file) chain->classifier = su_family_is_classifier(config);
    if (!chain->classifier) return SUTRA_OK;
    SU_TRY(check_labels(config, where, err));
    chain->head = (SuHeadChoice){.pooling = SUTRA_POOL_CLS};
    if (family->choose_head) SU_TRY(family->choose_head(config, where, &chain->head, err));
    return chain->activation_given ? SUTRA_OK : read_activation(config, where, chain, err);
}

static SutraHead head_of(const SuFamilyHead *part, bool last, uint32_t hidden,
                         const SuModuleChain *chain)
{
    SutraHead head = {.kind = SUTRA_HEAD_NORM, .in = hidden, .out = hidden};
    if (part->part == SU_HEAD_NORM) return head;
    head.kind = last ? SUTRA_HEAD_SCORE : SUTRA_HEAD_DENSE;
    head.out = last ? 1 : hidden;
    head.activation = last                     ? chain->activation
                      : chain->head.activation ? chain->head.activation
                                               : part->activation;
    return head;
}

SutraStatus su_classifier_heads(SutraModel *model, const SuFamily *family,
                                const SuModuleChain *chain, SutraError *err)
{
    SutraSpec *spec = &model->spec;
    uint32_t hidden = spec->hidden_size;
    if (!family->num_heads)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: classifiers of the family %s are not supported",
                 chain->transformer, family->name);
    model->pooling = chain->head.pooling;
    spec->heads = model->heads;
    model->heads[0] = (SutraHead){
        .kind = SUTRA_HEAD_POOLING, .in = hidden, .out = hidden, .activation = model->pooling};
    for (uint32_t i = 0; i < family->num_heads; i++)
        model->heads[i + 1] = head_of(&family->heads[i], i + 1 == family->num_heads, hidden, chain);
    spec->num_heads_out = (uint32_t)family->num_heads + 1;
    return SUTRA_OK;
}
