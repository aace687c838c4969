#include "tei_info.h"

#include "server_context.h"
#include "sutra.h"

static void write_type(SuReplyText *body, const SutraModelInfo *info)
{
    if (info->outputs >> SUTRA_OUT_SCORES & 1) {
        su_reply_string(body, ",\"model_type\":{\"reranker\":{\"id2label\":{\"0\":\"LABEL_0\"},"
                              "\"label2id\":{\"LABEL_0\":0}}}");
        su_reply_put_string(body, ",\"score_activation\":", info->score_activation);
        return;
    }
    su_reply_put_string(body, ",\"model_type\":{\"embedding\":{\"pooling\":", info->pooling);
    su_reply_string(body, "}}");
    su_reply_put_number(body, ",\"dimensions\":", info->dim);
    su_reply_string(body, info->normalize ? ",\"normalize\":true" : ",\"normalize\":false");
}

static void write_prompts(SuReplyText *body, const SutraModelInfo *info)
{
    su_reply_string(body, ",\"prompts\":{");
    for (uint32_t i = 0; i < info->num_prompts; i++) {
        su_reply_put_string(body, i ? "," : "", info->prompt_names[i]);
        su_reply_put_string(body, ":", info->prompts[i]);
    }
    if (info->default_prompt)
        su_reply_put_string(body, "},\"default_prompt\":", info->default_prompt);
    else
        su_reply_string(body, "},\"default_prompt\":null");
}

/* What vectors go through after pooling. */
static void write_modules(SuReplyText *body, const SutraModelInfo *info)
{
    su_reply_string(body, ",\"modules\":[");
    for (uint32_t i = 0; i < info->num_modules; i++) {
        const SutraModuleInfo *module = &info->modules[i];
        su_reply_put_string(body, i ? ",{\"type\":" : "{\"type\":", module->type);
        su_reply_put_number(body, ",\"in\":", module->in);
        su_reply_put_number(body, ",\"out\":", module->out);
        su_reply_put_string(body, ",\"activation\":", module->activation);
        su_reply_string(body, "}");
    }
    su_reply_string(body, "]");
}

static void write_limits(SuReplyText *body, const SuServerContext *context)
{
    su_reply_put_number(body, ",\"max_client_batch_size\":", context->limits.max_inputs);
    su_reply_string(body, context->limits.truncates ? ",\"auto_truncate\":true"
                                                    : ",\"auto_truncate\":false");
    su_reply_put_string(body, ",\"version\":", sutra_version());
}

void su_tei_info(SuExchange *exchange)
{
    const SuServerContext *context = exchange->context;
    const SuModelEntry *entry = context->models.entries[0];
    const SutraModelInfo *info = &entry->info;
    SuReplyText *body = &exchange->response.body;
    su_reply_put_string(body, "{\"model_id\":", entry->id);
    if (entry->model) {
        if (*info->revision)
            su_reply_put_string(body, ",\"model_sha\":", info->revision);
        else
            su_reply_string(body, ",\"model_sha\":null");
        su_reply_put_string(body, ",\"model_dtype\":", sutra_compute_name(info->compute));
        write_type(body, info);
        su_reply_put_number(body, ",\"max_input_length\":", info->max_tokens);
        su_reply_put_string(body, ",\"family\":", info->family);
        su_reply_put_string(body, ",\"tokenizer\":", info->tokenizer_class);
        su_reply_put_string(body, ",\"digest\":", info->digest);
        su_reply_put_string(body,
                            ",\"truncation_direction\":", info->truncate_left ? "left" : "right");
        write_prompts(body, info);
        write_modules(body, info);
    }
    write_limits(body, context);
    su_reply_string(body, "}");
    su_exchange_answer(exchange);
}
