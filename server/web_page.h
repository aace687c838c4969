/* web_page.h - what a browser gets: the page, the description of the API, and their files.
 *
 *   GET /              the page for who accepts text/html, else Ollama's words
 *   GET /docs          the description for people, GET /openapi.json for programs (OpenAPI 3.1)
 *   GET /page/{name}   their files
 *
 * All are part of the library and found by comparing names: no path of a request reaches the file
 * system. None asks for a key, as none holds anything of this server: the page asks its user for
 * one. */
#ifndef SU_WEB_PAGE_H
#define SU_WEB_PAGE_H

#include "http_exchange.h"

void su_web_root(SuExchange *exchange);
void su_web_docs(SuExchange *exchange);
void su_web_openapi(SuExchange *exchange);
void su_web_file(SuExchange *exchange);

#endif
