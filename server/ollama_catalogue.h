/* ollama_catalogue.h - the models of a server as Ollama's API shows them.
 *
 *   GET    /                  "Ollama is running"
 *   GET    /api/version       the version of Ollama whose API this is, for clients that ask for one
 *                             at least as new; beside it that of Sutra
 *   GET    /api/tags          ids, aliases and Ollama's own names of what is served, with facts of
 *                             those that are open
 *   GET    /api/ps            those that are open
 *   POST   /api/show          opens the model and says what is known of it
 *   POST   /api/pull          success for a model that is served, else how to have it served
 *   DELETE /api/delete        refused
 *
 * pull and delete change nothing: which models a server has is for who starts it to say. A request
 * that pulls would let every client fill the disk, one that deletes would take files of the hub's
 * cache from all other programs. HEAD is answered where GET is. */
#ifndef SU_OLLAMA_CATALOGUE_H
#define SU_OLLAMA_CATALOGUE_H

#include "http_exchange.h"

void su_ollama_root(SuExchange *exchange);
void su_ollama_version(SuExchange *exchange);
void su_ollama_tags(SuExchange *exchange);
void su_ollama_ps(SuExchange *exchange);
void su_ollama_show(SuExchange *exchange);
void su_ollama_pull(SuExchange *exchange);
void su_ollama_delete(SuExchange *exchange);

#endif
