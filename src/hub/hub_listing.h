/* hub_listing.h - what the hub says about a repository at a revision: its commit and its files. */
#ifndef SU_HUB_LISTING_H
#define SU_HUB_LISTING_H

#include "hub/http_client.h"

/* Fills *plan with the files that a Sutra model needs. Errors: ARGUMENT (no such repository or
 * revision), IO (no access, no answer), FORMAT (an answer that makes no sense). */
SutraStatus su_hub_list(SuHttp *http, SuHubPlan *plan, SutraError *err);

/* The address of one file of the listed commit. */
SutraStatus su_hub_file_url(const SuHubContext *hub, const SuHubPlan *plan, const char *name,
                            char *url, size_t capacity, SutraError *err);

/* Puts what a status means for this repository into *err in place of the bare number. */
SutraStatus su_hub_explain(const SuHubContext *hub, const SuHttpAnswer *answer, SutraStatus status,
                           SutraError *err);

#endif
