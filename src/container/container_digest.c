/* XXH3-128 comes from Debian's xxhash.h, compiled in: no shared object to load at run time. */
#define XXH_INLINE_ALL
#include "container/container_format.h"

#include <string.h>
#include <xxhash.h>

static SuDigest canonical(XXH128_hash_t hash)
{
    SuDigest digest;
    XXH128_canonical_t form;
    XXH128_canonicalFromHash(&form, hash);
    memcpy(digest.bytes, form.digest, sizeof digest.bytes);
    return digest;
}

SuDigest su_digest(const void *data, size_t size) { return canonical(XXH3_128bits(data, size)); }

SuDigest su_container_head_digest(const unsigned char *head, size_t num_sections)
{
    unsigned char header[SU_HEADER_SIZE];
    XXH3_state_t state;
    memcpy(header, head, sizeof header);
    memset(header + SU_HEADER_DIGEST, 0, sizeof(SuDigest));
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, header, sizeof header);
    XXH3_128bits_update(&state, head + SU_HEADER_SIZE, num_sections * SU_ENTRY_SIZE);
    return canonical(XXH3_128bits_digest(&state));
}
