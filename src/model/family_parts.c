/* What families that are not BERT share of config.json: RoPE, windows, biases, and switches that
 * have one value only. */
#include "base/memory.h"
#include "model/family.h"

#include <math.h>
#include <string.h>

SutraStatus su_family_add_windows(const char *where, SutraSpec *spec, uint32_t **window,
                                  SutraError *err)
{
    spec->window = *window = su_calloc(spec->num_layers, sizeof **window);
    if (!*window) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    return SUTRA_OK;
}

SutraStatus su_family_add_ropes(const char *where, SutraSpec *spec, float **rope_base,
                                SutraError *err)
{
    spec->position = SUTRA_POSITION_ROPE;
    spec->rope_divisor = 1;
    spec->rope_base = *rope_base = su_calloc(spec->num_layers, sizeof **rope_base);
    if (!*rope_base) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    return SUTRA_OK;
}

static SutraStatus check_base(double base, const char *where, SutraError *err)
{
    if (!(base > 0 && base < 1e30))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: the base of RoPE is %g", where, base);
    return SUTRA_OK;
}

/* "rope_type", or "type" as it was called. */
static SutraStatus read_type(const json_t *parameters, const char *where, const char **type,
                             SutraError *err)
{
    *type = "default";
    SU_TRY(su_json_get_string(parameters, "type", where, type, err));
    return su_json_get_string(parameters, "rope_type", where, type, err);
}

/* Of the kind "dynamic" the base grows with texts longer than the model's positions, which there
 * are none of. */
SutraStatus su_family_read_rope_base(const json_t *parameters, const char *where, double *base,
                                     SutraError *err)
{
    const char *type;
    if (!json_is_object(parameters)) return SUTRA_OK;
    SU_TRY(read_type(parameters, where, &type, err));
    if (strcmp(type, "default") != 0 && strcmp(type, "dynamic") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: RoPE of the kind \"%.40s\" is not supported; known: default, dynamic", where,
                 type);
    SU_TRY(su_json_get_double(parameters, "rope_theta", where, base, err));
    double part = 1;
    SU_TRY(su_json_get_double(parameters, "partial_rotary_factor", where, &part, err));
    if (part != 1)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: partial_rotary_factor %g is not supported; known: 1", where, part);
    return check_base(*base, where, err);
}

/* Scaling of the kind "ntk", as the code of GTE has it: base and frequencies, whatever the length.
 * */
static SutraStatus read_ntk(const json_t *scaling, const char *where, double *base, SutraSpec *spec,
                            SutraError *err)
{
    double factor = 1;
    if (!su_json_is_inactive(json_object_get(scaling, "mixed_b")))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: mixed_b of rope_scaling is not supported", where);
    SU_TRY(su_json_get_double(scaling, "factor", where, &factor, err));
    if (!(factor >= 1 && factor <= 1e6))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: factor of rope_scaling is %g", where, factor);
    *base *= factor;
    spec->rope_divisor = (float)pow(factor, 2.0 / spec->head_size);
    return SUTRA_OK;
}

SutraStatus su_family_read_rope(const json_t *config, const char *where, double base,
                                SutraSpec *spec, SutraError *err)
{
    const json_t *scaling = json_object_get(config, "rope_scaling");
    const char *type = "default";
    float *bases;
    SU_TRY(su_family_add_ropes(where, spec, &bases, err));
    SU_TRY(su_json_get_double(config, "rope_theta", where, &base, err));
    if (json_is_object(scaling)) SU_TRY(read_type(scaling, where, &type, err));
    if (strcmp(type, "ntk") == 0)
        SU_TRY(read_ntk(scaling, where, &base, spec, err));
    else if (json_is_object(scaling))
        SU_TRY(su_family_read_rope_base(scaling, where, &base, err));
    else
        SU_TRY(su_family_read_rope_base(json_object_get(config, "rope_parameters"), where, &base,
                                        err));
    SU_TRY(check_base(base, where, err));
    for (uint32_t i = 0; i < spec->num_layers; i++) bases[i] = (float)base;
    return SUTRA_OK;
}

SutraStatus su_family_read_bias(const json_t *config, const char *where, const char *key, bool with,
                                uint32_t bias, SutraSpec *spec, SutraError *err)
{
    SU_TRY(su_json_get_bool(config, key, where, &with, err));
    if (!with) spec->without_bias |= bias;
    return SUTRA_OK;
}

SutraStatus su_family_require_bool(const json_t *config, const char *where, const char *key,
                                   bool value, SutraError *err)
{
    bool found = value;
    SU_TRY(su_json_get_bool(config, key, where, &found, err));
    if (found != value)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: %s %s is not supported; known: %s", where, key,
                 found ? "true" : "false", value ? "true" : "false");
    return SUTRA_OK;
}

SutraStatus su_family_require_text(const json_t *config, const char *where, const char *key,
                                   const char *value, SutraError *err)
{
    const char *found = value;
    SU_TRY(su_json_get_string(config, key, where, &found, err));
    if (strcmp(found, value) != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: %s \"%.40s\" is not supported; known: %s", where,
                 key, found, value);
    return SUTRA_OK;
}
