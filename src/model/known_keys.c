#include "model/known_keys.h"

#include <string.h>

#define LIST(...) \
    (const char *const[]) { __VA_ARGS__, NULL }

/* The reference overwrites these in every group of arguments. */
#define HUB_KEYS                                                                            \
    "subfolder", "token", "cache_dir", "revision", "local_files_only", "trust_remote_code", \
        "force_download"

const SuKnownKeys su_keys_of_config = {
    .refused = LIST("quantization_config", "add_cross_attention", "pruned_heads",
                    "is_encoder_decoder", "adapters"),
};

/* The reference takes these from the file as if a program had given them. */
const SuKnownKeys su_keys_of_tokenizer_config = {
    .refused =
        LIST("fast_tokenizer_files", "init_inputs", "processor_class", "post_processor",
             "tokenizer_object", "tokenizer_padding", "tokenizer_truncation", "_json_truncation",
             "_json_padding", "vocab", "merges", "gguf_file", "model_specific_special_tokens"),
};

const SuKnownKeys su_keys_of_bert_config = {
    .known = LIST("max_seq_length", "do_lower_case", "tokenizer_args", "processor_kwargs",
                  "model_args", "model_kwargs", "config_args", "config_kwargs", "processing_kwargs",
                  "transformer_task", "module_output_name", "modality_config", "unpad_inputs",
                  "backend"),
};

const SuKnownKeys su_keys_of_pooling = {
    .known = LIST("word_embedding_dimension", "embedding_dimension", "pooling_mode",
                  "include_prompt", "pooling_mode_cls_token", "pooling_mode_max_tokens",
                  "pooling_mode_mean_tokens", "pooling_mode_mean_sqrt_len_tokens",
                  "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"),
};

const SuKnownKeys su_keys_of_normalize = {
    .known = LIST("module_input_name", "module_output_name"),
};

const SuKnownKeys su_keys_of_layer_norm = {
    .known = LIST("dimension"),
};

const SuKnownKeys su_keys_of_tokenizer_arguments = {
    .known = LIST("do_lower_case", "strip_accents", "tokenize_chinese_chars", "model_max_length",
                  "max_len", "truncation_side", "split_special_tokens", "bos_token", "eos_token",
                  "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
                  "additional_special_tokens", "extra_special_tokens", "model_input_names",
                  "padding_side", "padding", "pad_token_type_id", "pad_to_multiple_of", "use_fast",
                  "clean_up_tokenization_spaces", "verbose", "do_basic_tokenize", "never_split",
                  HUB_KEYS),
};

const SuKnownKeys su_keys_of_model_arguments = {
    .known = LIST("attn_implementation", "torch_dtype", "dtype", "low_cpu_mem_usage", "device_map",
                  "use_safetensors", "add_pooling_layer", HUB_KEYS),
};

const SuKnownKeys su_keys_of_config_arguments = {
    .known = LIST("attn_implementation", "use_cache", "output_attentions", "output_hidden_states",
                  "return_dict", HUB_KEYS),
};

static bool holds(const char *const *list, const char *key)
{
    for (; list && *list; list++)
        if (strcmp(*list, key) == 0) return true;
    return false;
}

SutraStatus su_known_keys_check(const SuKnownKeys *keys, const json_t *object, const char *section,
                                const char *where, SutraError *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        bool accepted = keys->known ? holds(keys->known, key) : !holds(keys->refused, key);
        if (!accepted && !su_json_is_inactive(value))
            SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: %s%s%.60s is not supported", where, section,
                     *section ? ": " : "", key);
    }
    return SUTRA_OK;
}
