/* publish.h - making verified blobs a model that others find.
 *
 * Order: links of the snapshot (weights last), completeness check, manifest, reference. A process
 * killed anywhere in between leaves nothing that a lookup takes for a model. */
#ifndef SU_PUBLISH_H
#define SU_PUBLISH_H

#include "hub/blob_store.h"

/* path receives the snapshot folder. */
SutraStatus su_publish(SuStore *store, const SuHubPlan *plan, char path[SUTRA_HUB_PATH_MAX],
                       SutraError *err);

#endif
