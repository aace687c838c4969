#include "access.h"

#include <string.h>

bool su_access_has_key(const SuAccess *access, const SuHttpHead *head)
{
    static const char scheme[] = "bearer ";
    enum { SCHEME = sizeof scheme - 1 };
    if (!access->key) return true;
    SuText given = su_http_header(head, "authorization");
    if (given.size < SCHEME || !su_text_is_word((SuText){given.data, SCHEME}, scheme)) return false;
    given = (SuText){given.data + SCHEME, given.size - SCHEME};
    size_t size = strlen(access->key);
    unsigned different = given.size != size;
    for (size_t i = 0; i < given.size; i++)
        different |= (unsigned char)given.data[i] ^ (unsigned char)access->key[i % (size + 1)];
    return !different;
}

/* Without the port. */
static SuText host_name(SuText host)
{
    if (host.size && host.data[0] == '[') {
        const char *end = memchr(host.data, ']', host.size);
        return end ? (SuText){host.data, (size_t)(end + 1 - host.data)} : host;
    }
    const char *colon = host.size ? memchr(host.data, ':', host.size) : NULL;
    return colon ? (SuText){host.data, (size_t)(colon - host.data)} : host;
}

bool su_access_allows_host(const SuAccess *access, const SuHttpHead *head)
{
    if (!access->is_loopback) return true;
    SuText given = su_http_host(head);
    if (!given.data) return head->is_old;
    SuText name = host_name(given);
    return su_text_is_word(name, "localhost") || su_text_is(name, "127.0.0.1") ||
           su_text_is(name, "[::1]") || su_text_is_word(name, access->host);
}

SuText su_access_shared_origin(const SuAccess *access, const SuHttpHead *head)
{
    SuText origin = su_http_header(head, "origin"), none = {0};
    if (!origin.size || !access->origins) return none;
    for (const char *at = access->origins; *at;) {
        size_t size = strcspn(at, ",");
        bool any = size == 1 && *at == '*';
        if (any || (origin.size == size && memcmp(origin.data, at, size) == 0)) return origin;
        at += size + (at[size] == ',');
    }
    return none;
}

bool su_access_allows_origin(const SuAccess *access, const SuHttpHead *head)
{
    SuText origin = su_http_header(head, "origin"), host = su_http_host(head);
    static const char *const schemes[] = {"http://", "https://"};
    if (!origin.data || su_access_shared_origin(access, head).data) return true;
    if (!host.data) return false;
    for (int i = 0; i < 2; i++) {
        size_t size = strlen(schemes[i]);
        if (origin.size == size + host.size && memcmp(origin.data, schemes[i], size) == 0 &&
            memcmp(origin.data + size, host.data, host.size) == 0)
            return true;
    }
    return false;
}
