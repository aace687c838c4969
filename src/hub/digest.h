/* digest.h - SHA-256 and git blob ids of data as it comes, by libcrypto. */
#ifndef SU_DIGEST_H
#define SU_DIGEST_H

#include "base/status.h"

#include <openssl/evp.h>

/* Both digests of one file at once: the hub states the blob id of small files, the manifest records
 * SHA-256 of all. */
typedef struct SuDigest {
    EVP_MD_CTX *sha256, *blob;
} SuDigest;

SutraStatus su_digest_create(SuDigest *digest, SutraError *err);
void su_digest_free(SuDigest *digest);

/* Starts anew; a blob id begins with the size of what will follow. */
SutraStatus su_digest_begin(SuDigest *digest, uint64_t size, SutraError *err);
SutraStatus su_digest_update(SuDigest *digest, const void *data, size_t size, SutraError *err);
/* Ends both; su_digest_begin makes it usable again. */
SutraStatus su_digest_end(SuDigest *digest, char sha256[65], char blob_id[41], SutraError *err);

#endif
