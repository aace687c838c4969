/* profiles.c - a configuration for those who do not want to choose: a profile is a size and type of
 * vectors, a list of models from the best one on, and the precisions it accepts. */
#include "hub/profiles.h"

#include "base/status.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_MODELS 4
#define MAX_COMPUTES 2

typedef struct Profile {
    const char *name;
    uint32_t dim;
    SutraDtype dtype;
    const char *models[MAX_MODELS];      /* names of the registry; the first that can be opened */
    SutraCompute computes[MAX_COMPUTES]; /* the first that is native; none: fp32 */
} Profile;

static const Profile profiles[] = {
    {"ultra-efficient",
     256,
     SUTRA_UBINARY,
     {"all-MiniLM-L6-v2"},
     {SUTRA_COMPUTE_INT8, SUTRA_COMPUTE_BF16}},
    {"efficient", 384, SUTRA_F32, {"all-MiniLM-L6-v2"}, {SUTRA_COMPUTE_INT8, SUTRA_COMPUTE_BF16}},
    {"high-quality", 768, SUTRA_F32, {"bge-base-en-v1.5"}, {SUTRA_COMPUTE_BF16}},
};
enum { NUM_PROFILES = sizeof profiles / sizeof *profiles, EFFICIENT = 1, HIGH_QUALITY = 2 };

/* For sutra_config_for_dimension: who comes first of models of a size. */
static const char *const preferred[] = {"all-MiniLM-L6-v2", "bge-base-en-v1.5",
                                        "bge-large-en-v1.5"};

/* What auto goes by: high-quality where a model of 768 dimensions takes this many texts of 128
 * tokens a second, and fits. */
enum { FAST_ENOUGH = 50 };
static const uint64_t needed_memory = (uint64_t)2 << 30;

static const Profile *find_profile(const char *name)
{
    for (size_t i = 0; i < NUM_PROFILES; i++)
        if (strcasecmp(name, profiles[i].name) == 0) return &profiles[i];
    return NULL;
}

/* Texts of 128 tokens a second and core of a BERT of 768 dimensions: an eighth of what
 * docs/BENCHMARKS.md has for all-MiniLM-L6-v2, whose layers are an eighth of the work. 0: not
 * measured. */
static uint32_t texts_per_core(SuIsa isa)
{
    switch (isa) {
    case SU_ISA_AMX:
        return 20;
    case SU_ISA_AVX512:
    case SU_ISA_AVX512VNNI:
    case SU_ISA_AVX512BF16:
        return 5;
    case SU_ISA_AVX2:
    case SU_ISA_AVXVNNI:
        return 3;
    default:
        return 0;
    }
}

static void add_reason(SutraConfig *config, const char *text)
{
    size_t used = strlen(config->reason);
    snprintf(config->reason + used, sizeof config->reason - used, "%s%s", used ? "; " : "", text);
}

static const Profile *profile_of_machine(const SuHardware *hardware, SutraConfig *config)
{
    char text[192];
    uint32_t cores = hardware->cores;
    if (config->num_threads && config->num_threads < cores) cores = config->num_threads;
    uint32_t rate = cores * texts_per_core(hardware->isa);
    bool fits = !hardware->memory || hardware->memory >= needed_memory;
    const Profile *profile = &profiles[rate >= FAST_ENOUGH && fits ? HIGH_QUALITY : EFFICIENT];
    snprintf(text, sizeof text,
             "auto is %s here: %u cores at %s are good for about %u texts of 128 tokens a second "
             "of a 768-dimensional model, and %d are wanted",
             profile->name, cores, su_isa_name(hardware->isa), rate, FAST_ENOUGH);
    if (rate == 0)
        snprintf(text, sizeof text, "auto is %s here: no speed was measured at %s", profile->name,
                 su_isa_name(hardware->isa));
    if (rate >= FAST_ENOUGH && !fits)
        snprintf(text, sizeof text, "auto is %s here: %.1f GB of memory are free, and %.1f wanted",
                 profile->name, (double)hardware->memory / 1e9, (double)needed_memory / 1e9);
    add_reason(config, text);
    return profile;
}

static SutraStatus resolve(const char *name, const SuHardware *hardware, SutraConfig *config,
                           const Profile **profile, SutraError *err)
{
    if (!name || !config) SU_RAISE(err, SUTRA_E_ARGUMENT, "profile or config is NULL");
    if (config->struct_size < sizeof *config)
        SU_RAISE(err, SUTRA_E_ABI, "SutraConfig: struct_size is not set");
    *config = (SutraConfig){.struct_size = sizeof *config, .num_threads = config->num_threads};
    *profile =
        strcasecmp(name, "auto") == 0 ? profile_of_machine(hardware, config) : find_profile(name);
    if (!*profile)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "%.60s: no such profile; there are ultra-efficient, efficient, high-quality and "
                 "auto",
                 name);
    config->profile = (*profile)->name;
    config->dtype = (*profile)->dtype;
    return SUTRA_OK;
}

static void choose_compute(const Profile *profile, const SuHardware *hardware, SutraConfig *config)
{
    char text[96];
    config->compute = SUTRA_COMPUTE_FP32;
    for (size_t i = 0; i < MAX_COMPUTES && profile->computes[i]; i++) {
        SutraCompute compute = profile->computes[i];
        if (!(hardware->computes >> compute & 1)) continue;
        config->compute = compute;
        snprintf(text, sizeof text, "%s: this processor has instructions for it",
                 sutra_compute_name(compute));
        add_reason(config, text);
        return;
    }
    add_reason(config, "fp32: this processor has no faster precision that the profile takes");
}

static bool has_length(const SutraRegistryModel *model, uint32_t dim)
{
    if (model->dimensions == dim) return true;
    for (uint32_t i = 0; i < model->num_matryoshka; i++)
        if (model->matryoshka[i] == dim) return true;
    return false;
}

static void take_model(const SutraRegistryModel *model, uint32_t dim, SutraConfig *config)
{
    char text[192];
    config->model = model;
    config->dim = dim;
    config->is_cut = dim < model->dimensions;
    if (!config->is_cut)
        snprintf(text, sizeof text, "%s: %u dimensions", model->name, dim);
    else
        snprintf(text, sizeof text, "%s: the first %u of its %u dimensions, %s", model->name, dim,
                 model->dimensions,
                 has_length(model, dim) ? "a length that it was trained for"
                                        : "which it was not trained for");
    add_reason(config, text);
}

SutraStatus su_config_from_name(const char *name, const SuHardware *hardware, SutraConfig *config,
                                SutraError *err)
{
    const Profile *profile;
    SU_TRY(resolve(name, hardware, config, &profile, err));
    for (size_t i = 0; i < MAX_MODELS && profile->models[i]; i++) {
        const SutraRegistryModel *model = sutra_registry_find(profile->models[i]);
        if (!model || !hardware->opens(model->family)) continue;
        take_model(model, profile->dim, config);
        choose_compute(profile, hardware, config);
        return SUTRA_OK;
    }
    SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: this build opens none of the profile's models",
             profile->name);
}

static bool is_preferred(const char *name)
{
    for (size_t i = 0; i < sizeof preferred / sizeof *preferred; i++)
        if (strcmp(name, preferred[i]) == 0) return true;
    return false;
}

/* The lower the better: a model of this size, a length it was trained for, any longer one; of
 * equals the smaller model, then one that is preferred, then the registry's order. */
static uint64_t rank(const SutraRegistryModel *model, uint32_t dim)
{
    uint64_t kind = model->dimensions == dim ? 0 : has_length(model, dim) ? 1 : 2;
    return kind << 40 | (uint64_t)model->dimensions << 1 | !is_preferred(model->name);
}

/* Whether this build opens it and it gives vectors. */
static bool is_embedder(const SuHardware *hardware, const SutraRegistryModel *model)
{
    return hardware->opens(model->family) && !model->is_reranker;
}

/* "384, 768, …": lengths that models of this build have. */
static void list_lengths(const SuHardware *hardware, char *list, size_t capacity)
{
    uint32_t last = 0;
    list[0] = '\0';
    for (;;) {
        uint32_t next = UINT32_MAX;
        for (size_t i = 0; i < sutra_registry_count(); i++) {
            const SutraRegistryModel *model = sutra_registry_at(i);
            if (is_embedder(hardware, model) && model->dimensions > last &&
                model->dimensions < next)
                next = model->dimensions;
        }
        if (next == UINT32_MAX) return;
        size_t used = strlen(list);
        snprintf(list + used, capacity - used, "%s%u", used ? ", " : "", next);
        last = next;
    }
}

SutraStatus su_config_for_dimension(uint32_t dim, const char *name, const SuHardware *hardware,
                                    SutraConfig *config, SutraError *err)
{
    const Profile *profile;
    const SutraRegistryModel *best = NULL;
    char lengths[128];
    SU_TRY(resolve(name, hardware, config, &profile, err));
    for (size_t i = 0; i < sutra_registry_count(); i++) {
        const SutraRegistryModel *model = sutra_registry_at(i);
        if (!is_embedder(hardware, model) || model->dimensions < dim || dim == 0) continue;
        if (!best || rank(model, dim) < rank(best, dim)) best = model;
    }
    list_lengths(hardware, lengths, sizeof lengths);
    if (!best)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "no model that this build opens has vectors of %u dimensions; they have %s", dim,
                 lengths);
    take_model(best, dim, config);
    choose_compute(profile, hardware, config);
    return SUTRA_OK;
}

/* ---- this machine ---- */

static SutraStatus look_at_machine(SuHardware *hardware, SutraError *err)
{
    static const SutraCompute computes[] = {SUTRA_COMPUTE_FP32, SUTRA_COMPUTE_BF16,
                                            SUTRA_COMPUTE_INT8};
    uint64_t total;
    *hardware = (SuHardware){.cores = su_cpu_count(), .opens = sutra_family_is_known};
    SU_TRY(su_isa_select(&hardware->isa, err));
    su_physical_memory(&total, &hardware->memory);
    for (size_t i = 0; i < sizeof computes / sizeof *computes; i++)
        if (sutra_compute_is_native(computes[i])) hardware->computes |= 1u << computes[i];
    return SUTRA_OK;
}

SutraStatus sutra_config_from_name(const char *profile, SutraConfig *config, SutraError *err)
{
    SuHardware hardware;
    SU_TRY(look_at_machine(&hardware, err));
    return su_config_from_name(profile, &hardware, config, err);
}

SutraStatus sutra_config_for_dimension(uint32_t dim, const char *profile, SutraConfig *config,
                                       SutraError *err)
{
    SuHardware hardware;
    SU_TRY(look_at_machine(&hardware, err));
    return su_config_for_dimension(dim, profile, &hardware, config, err);
}
