#include "container/container.h"
#include "model/bundle.h"

SutraStatus su_bundle_verify(const char *path, SutraError *err)
{
    SuContainer container;
    SutraModel *model;
    SU_TRY(su_container_open(path, &container, err));
    SutraStatus status = su_container_verify(&container, err);
    su_container_close(&container);
    if (status != SUTRA_OK) return status;
    SU_TRY(su_model_open(path, NULL, &model, err));
    su_model_destroy(model);
    return SUTRA_OK;
}
