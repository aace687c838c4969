/* access.h - who may ask: the API key, and for a server on a loopback address the names and origins
 * that a browser may reach it by. Pure.
 *
 * A page of another site can make a browser send requests to 127.0.0.1, under its own name when
 * that resolves to it (DNS rebinding): Host must then be an address of the loopback, localhost, or
 * the name that the server was bound by; and an Origin, which only browsers send, the server's own,
 * or one of those that were named for it.
 */
#ifndef SU_ACCESS_H
#define SU_ACCESS_H

#include "http_head.h"

typedef struct SuAccess {
    const char *key;  /* NULL: none is asked for */
    const char *host; /* as the server was bound */
    bool is_loopback;
    const char *origins; /* besides its own, with commas between them; "*": any; NULL: none */
} SuAccess;

/* Whether "Authorization: Bearer KEY" is right, in a time that does not depend on KEY. */
bool su_access_has_key(const SuAccess *access, const SuHttpHead *head);
bool su_access_allows_host(const SuAccess *access, const SuHttpHead *head);
bool su_access_allows_origin(const SuAccess *access, const SuHttpHead *head);
/* The request's Origin where it is one of access->origins; data NULL: it is not, or there is none.
 */
SuText su_access_shared_origin(const SuAccess *access, const SuHttpHead *head);

#endif
