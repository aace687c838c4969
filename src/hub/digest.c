#include "hub/digest.h"

#include "base/memory.h"
#include "sutra_hub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE ((size_t)1 << 18)

static SutraStatus raise_crypto(SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "libcrypto: cannot compute SHA-256 or SHA-1");
}

SutraStatus su_digest_create(SuDigest *digest, SutraError *err)
{
    digest->sha256 = EVP_MD_CTX_new();
    digest->blob = EVP_MD_CTX_new();
    if (digest->sha256 && digest->blob) return SUTRA_OK;
    su_digest_free(digest);
    return raise_crypto(err);
}

void su_digest_free(SuDigest *digest)
{
    EVP_MD_CTX_free(digest->sha256);
    EVP_MD_CTX_free(digest->blob);
    *digest = (SuDigest){0};
}

SutraStatus su_digest_begin(SuDigest *digest, uint64_t size, SutraError *err)
{
    char head[32];
    int head_size = snprintf(head, sizeof head, "blob %llu", (unsigned long long)size);
    if (!EVP_DigestInit_ex(digest->sha256, EVP_sha256(), NULL) ||
        !EVP_DigestInit_ex(digest->blob, EVP_sha1(), NULL) ||
        !EVP_DigestUpdate(digest->blob, head, (size_t)head_size + 1)) /* the NUL counts */
        return raise_crypto(err);
    return SUTRA_OK;
}

SutraStatus su_digest_update(SuDigest *digest, const void *data, size_t size, SutraError *err)
{
    if (!EVP_DigestUpdate(digest->sha256, data, size) ||
        !EVP_DigestUpdate(digest->blob, data, size))
        return raise_crypto(err);
    return SUTRA_OK;
}

static bool finish(EVP_MD_CTX *context, char *hex)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!EVP_DigestFinal_ex(context, bytes, &size)) return false;
    for (unsigned i = 0; i < size; i++) sprintf(hex + 2 * i, "%02x", bytes[i]);
    return true;
}

SutraStatus su_digest_end(SuDigest *digest, char sha256[65], char blob_id[41], SutraError *err)
{
    if (finish(digest->sha256, sha256) && finish(digest->blob, blob_id)) return SUTRA_OK;
    return raise_crypto(err);
}

static SutraStatus hash_descriptor(int fd, EVP_MD_CTX *context, unsigned char *buffer,
                                   const char *path, const volatile int *cancel, SutraError *err)
{
    ssize_t size;
    if (!EVP_DigestInit_ex(context, EVP_sha256(), NULL)) return raise_crypto(err);
    while ((size = read(fd, buffer, READ_SIZE)) != 0) {
        if (cancel && *cancel) SU_RAISE(err, SUTRA_E_CANCELLED, "%s: stopped", path);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) SU_RAISE(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
        if (!EVP_DigestUpdate(context, buffer, (size_t)size)) return raise_crypto(err);
    }
    return SUTRA_OK;
}

SutraStatus sutra_hub_sha256_file(const char *path, const volatile int *cancel, char hex[65],
                                  SutraError *err)
{
    if (!path || !hex) SU_RAISE(err, SUTRA_E_ARGUMENT, "path, hex: must not be NULL");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) SU_RAISE(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char *buffer = su_alloc(READ_SIZE, 1);
    SutraStatus status = context && buffer
                             ? hash_descriptor(fd, context, buffer, path, cancel, err)
                             : su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    if (status == SUTRA_OK && !finish(context, hex)) status = raise_crypto(err);
    su_free(buffer);
    EVP_MD_CTX_free(context);
    close(fd);
    return status;
}
