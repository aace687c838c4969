#include "tei_info.h"

#include "server_context.h"
#include "sutra.h"

#include <string.h>

static SuText text_of(const char *string) { return (SuText){string, strlen(string)}; }

static void write_text(SuReplyText *body, const char *key, const char *value)
{
    su_reply_string(body, key);
    su_reply_json(body, text_of(value));
}

static void write_number(SuReplyText *body, const char *key, uint64_t value)
{
    su_reply_string(body, key);
    su_reply_number(body, value);
}

static void write_type(SuReplyText *body, const SutraModelInfo *info)
{
    if (info->outputs >> SUTRA_OUT_SCORES & 1) {
        su_reply_string(body, ",\"model_type\":{\"reranker\":{\"id2label\":{\"0\":\"LABEL_0\"},"
                              "\"label2id\":{\"LABEL_0\":0}}}");
        write_text(body, ",\"score_activation\":", info->score_activation);
        return;
    }
    write_text(body, ",\"model_type\":{\"embedding\":{\"pooling\":", info->pooling);
    su_reply_string(body, "}}");
    write_number(body, ",\"dimensions\":", info->dim);
    su_reply_string(body, info->normalize ? ",\"normalize\":true" : ",\"normalize\":false");
}

static void write_prompts(SuReplyText *body, const SutraModelInfo *info)
{
    su_reply_string(body, ",\"prompts\":{");
    for (uint32_t i = 0; i < info->num_prompts; i++) {
        if (i) su_reply_string(body, ",");
        su_reply_json(body, text_of(info->prompt_names[i]));
        su_reply_string(body, ":");
        su_reply_json(body, text_of(info->prompts[i]));
    }
    su_reply_string(body, "},\"default_prompt\":");
    if (info->default_prompt)
        su_reply_json(body, text_of(info->default_prompt));
    else
        su_reply_string(body, "null");
}

/* What vectors go through after pooling. */
static void write_modules(SuReplyText *body, const SutraModelInfo *info)
{
    su_reply_string(body, ",\"modules\":[");
    for (uint32_t i = 0; i < info->num_modules; i++) {
        const SutraModuleInfo *module = &info->modules[i];
        write_text(body, i ? ",{\"type\":" : "{\"type\":", module->type);
        write_number(body, ",\"in\":", module->in);
        write_number(body, ",\"out\":", module->out);
        write_text(body, ",\"activation\":", module->activation);
        su_reply_string(body, "}");
    }
    su_reply_string(body, "]");
}

static void write_limits(SuReplyText *body, const SuServerContext *context)
{
    write_number(body, ",\"max_client_batch_size\":", context->limits.max_inputs);
    su_reply_string(body, context->limits.truncates ? ",\"auto_truncate\":true"
                                                    : ",\"auto_truncate\":false");
    write_text(body, ",\"version\":", sutra_version());
}

void su_tei_info(SuExchange *exchange)
{
    const SuServerContext *context = exchange->context;
    const SuModelEntry *entry = context->models.entries[0];
    const SutraModelInfo *info = &entry->info;
    SuReplyText *body = &exchange->response.body;
    write_text(body, "{\"model_id\":", entry->id);
    if (entry->model) {
        su_reply_string(body, ",\"model_sha\":");
        if (*info->revision)
            su_reply_json(body, text_of(info->revision));
        else
            su_reply_string(body, "null");
        write_text(body, ",\"model_dtype\":", sutra_compute_name(info->compute));
        write_type(body, info);
        write_number(body, ",\"max_input_length\":", info->max_tokens);
        write_text(body, ",\"family\":", info->family);
        write_text(body, ",\"tokenizer\":", info->tokenizer_class);
        write_text(body, ",\"digest\":", info->digest);
        write_text(body, ",\"truncation_direction\":", info->truncate_left ? "left" : "right");
        write_prompts(body, info);
        write_modules(body, info);
    }
    write_limits(body, context);
    su_reply_string(body, "}");
    su_exchange_answer(exchange);
}
