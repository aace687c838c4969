/* health.h - whether the server lives, and whether to send it requests. */
#ifndef SU_HEALTH_H
#define SU_HEALTH_H

#include "http_exchange.h"

void su_health(SuExchange *exchange); /* GET /health: 200 as long as it answers at all */
void su_ready(SuExchange *exchange);  /* GET /ready: 503 from the moment that it was told to stop */

#endif
