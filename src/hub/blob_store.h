/* blob_store.h - writing into the cache: folders, locks and verified blobs.
 *
 * Below cache_dir no symbolic link is followed: every folder is opened relative to its parent with
 * O_NOFOLLOW, so that a link in the cache never leads a write elsewhere.
 *
 * A blob appears under its name only when all its bytes are verified and on disk; until then it is
 * <etag>.incomplete. Who writes <etag>.incomplete holds the lock of that etag, the same lock that
 * the hub's own tools take. */
#ifndef SU_BLOB_STORE_H
#define SU_BLOB_STORE_H

#include "hub/digest.h"
#include "hub/hub_context.h"

typedef struct SuStore {
    SuHubContext *hub;
    SuRepoFolder folder;
    int root, repo, blobs, locks; /* descriptors of folders; -1: not open */
    uint64_t received;            /* bytes written by this call */
} SuStore;

/* A blob being written. */
typedef struct SuBlobWriter {
    SuStore *store;
    const SuHubFile *file;
    int fd;
    uint64_t held; /* bytes in the file and in the digest */
    bool full;     /* the disk is: the unfinished file is not kept */
    SuDigest digest;
} SuBlobWriter;

/* Where the bytes of a file come from: appends from writer->held on to the end of the file, or
 * restarts the writer first. */
typedef struct SuBlobSource {
    SutraStatus (*fill)(void *user, SuBlobWriter *writer, SutraError *err);
    void *user;
} SuBlobSource;

SutraStatus su_store_open(SuStore *store, SuHubContext *hub, SutraError *err);
void su_store_close(SuStore *store);

/* IO when the file system has less room than the files that are still missing. */
SutraStatus su_store_check_space(const SuStore *store, const SuHubPlan *plan, SutraError *err);

/* Makes blobs/<etag> hold the verified file, and fills file->sha256. Errors: FORMAT naming both
 * digests, IO. */
SutraStatus su_store_blob(SuStore *store, SuHubFile *file, const SuBlobSource *source,
                          SutraError *err);

/* Throws away what is held. */
SutraStatus su_blob_restart(SuBlobWriter *writer, SutraError *err);
SutraStatus su_blob_append(SuBlobWriter *writer, const void *data, size_t size, SutraError *err);

/* Folder `name` (one component) below `parent`, made when missing. */
SutraStatus su_store_folder(const SuStore *store, int parent, const char *name, int *fd,
                            SutraError *err);

/* Waits for the lock `name`; *fd is released by close. */
SutraStatus su_store_lock(SuStore *store, const char *name, int *fd, SutraError *err);

#endif
