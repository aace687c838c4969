/* What is done with a model however it was read: references, links of engines, its end. */
#include "base/memory.h"
#include "model/model.h"

bool su_model_is_reranker(const SutraModel *model)
{
    const SutraSpec *spec = &model->spec;
    return spec->num_heads_out && spec->heads[spec->num_heads_out - 1].kind == SUTRA_HEAD_SCORE;
}

uint32_t su_model_features(const SutraModel *model, SutraOutput output)
{
    const SutraSpec *spec = &model->spec;
    bool pooled = output == SUTRA_OUT_POOLED || output == SUTRA_OUT_SCORES;
    if (!pooled || spec->num_heads_out == 0) return spec->hidden_size;
    return spec->heads[spec->num_heads_out - 1].out;
}

uint32_t su_model_dim(const SutraModel *model)
{
    uint32_t features = su_model_features(model, SUTRA_OUT_POOLED), cut = model->truncate_dim;
    return cut && cut < features ? cut : features;
}

bool su_model_is_shared(const SutraModel *model)
{
    return atomic_load_explicit(&model->references, memory_order_acquire) > 1;
}

static pthread_mutex_t links_lock = PTHREAD_MUTEX_INITIALIZER;

void su_model_links_lock(void) { pthread_mutex_lock(&links_lock); }

void su_model_links_unlock(void) { pthread_mutex_unlock(&links_lock); }

void su_model_link(SutraModel *model, SuModelLink *link)
{
    link->next = model->links;
    model->links = link;
}

void su_model_unlink(SutraModel *model, SuModelLink *link)
{
    SuModelLink **at = &model->links;
    while (*at != link) at = &(*at)->next;
    *at = link->next;
}

static void drop_links(SutraModel *model)
{
    su_model_links_lock();
    while (model->links) {
        SuModelLink *link = model->links;
        model->links = link->next;
        link->drop(link);
    }
    su_model_links_unlock();
}

void su_model_destroy(SutraModel *model)
{
    if (!model) return;
    drop_links(model);
    while (model->residents) {
        SuResident *resident = model->residents;
        model->residents = resident->next;
        resident->backend->unload(resident->handle);
        su_free(resident);
    }
    pthread_cond_destroy(&model->resident_loaded);
    pthread_mutex_destroy(&model->resident_lock);
    su_tokenizer_free(model->tokenizer);
    for (uint32_t i = 0; i < model->num_prompts; i++) {
        su_free(model->prompts[i].name);
        su_free(model->prompts[i].text);
    }
    su_free(model->prompts);
    su_free(model->prompt_names);
    su_free(model->prompt_texts);
    for (size_t i = 0; i < model->num_maps; i++) su_file_map_close(&model->maps[i]);
    su_free(model->maps);
    su_free(model->tensors);
    su_free_aligned(model->converted);
    su_free(model->window);
    su_free(model->rope_base);
    su_free(model->path);
    su_free(model->name);
    su_free(model->family);
    su_free(model->digest);
    su_free(model->revision);
    su_free(model->bundle_digest);
    su_free(model->cache_problem);
    su_free(model);
}

SutraModel *su_model_retain(SutraModel *model)
{
    atomic_fetch_add(&model->references, 1);
    return model;
}

void su_model_free(SutraModel *model)
{
    if (model && atomic_fetch_sub(&model->references, 1) == 1) su_model_destroy(model);
}

const SutraTensor *su_model_tensor(const SutraModel *model, SutraRole role, uint32_t layer)
{
    for (size_t i = 0; i < model->num_tensors; i++)
        if (model->tensors[i].role == (uint32_t)role && model->tensors[i].layer == layer)
            return &model->tensors[i];
    return NULL;
}
