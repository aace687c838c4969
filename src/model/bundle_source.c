/* What a bundle was made from. A model is read from files of a few kinds in its folder and in the
 * folders right below it; which of them matter is decided while reading, so all of them count.
 *
 * The time of the last status change is what a write in place cannot keep. A copy, a link or a new
 * mode changes it too: then a bundle is made again though nothing else is new. */
#include "base/file_write.h"
#include "base/memory.h"
#include "container/container.h"
#include "model/bundle.h"
#include "model/bundle_parts.h"

#include <stdio.h>
#include <string.h>

typedef struct Walk {
    const char *folder, *below; /* below: "" or a folder's name in it */
    SuByteWriter *source;
} Walk;

static bool matters(const char *name)
{
    static const char *const endings[] = {".json", ".txt", ".safetensors", ".model"};
    size_t size = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t tail = strlen(endings[i]);
        if (size > tail && strcmp(name + size - tail, endings[i]) == 0) return true;
    }
    return false;
}

/* A file that cannot be looked at, a dangling link say, counts as absent. */
static void record_file(const Walk *walk, const char *name, const char *path)
{
    SuFileFacts facts = {0};
    if (su_file_facts(path, &facts, NULL) != SUTRA_OK) return;
    su_write_string(walk->source, walk->below);
    su_write_string(walk->source, name);
    su_write_u64(walk->source, facts.size);
    su_write_u64(walk->source, facts.mtime_ns);
    su_write_u64(walk->source, facts.ctime_ns);
    su_write_u64(walk->source, facts.inode);
    su_write_u64(walk->source, facts.device);
}

static SutraStatus visit(void *user, const char *name, SutraError *err)
{
    const Walk *walk = user;
    char *path = su_path_join(walk->folder, name);
    if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", walk->folder);
    SutraStatus status = SUTRA_OK;
    if (matters(name)) {
        record_file(walk, name, path);
    } else if (!*walk->below && name[0] != '.' && su_directory_exists(path)) {
        Walk inner = {path, name, walk->source};
        status = su_directory_list(path, visit, &inner, err);
    }
    su_free(path);
    return status;
}

SutraStatus su_bundle_source(const char *folder, SuByteWriter *source, SutraError *err)
{
    char *resolved = su_path_resolve(folder);
    if (!resolved) SU_RAISE(err, SUTRA_E_IO, "%s: no such folder", folder);
    *source = (SuByteWriter){0};
    su_write_string(source, sutra_version());
    su_write_string(source, resolved);
    Walk walk = {resolved, "", source};
    SutraStatus status = su_directory_list(resolved, visit, &walk, err);
    su_free(resolved);
    if (status == SUTRA_OK && source->failed)
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    if (status != SUTRA_OK) su_byte_writer_free(source);
    return status;
}

bool su_bundle_is_current(const char *path, const SuByteWriter *source)
{
    SuContainer container;
    if (!su_bundle_is_path(path) || su_container_open(path, &container, NULL) != SUTRA_OK)
        return false;
    const SuSection *recorded = su_container_find(&container, SU_SECTION_SOURCE);
    bool current = recorded && recorded->size == source->size &&
                   memcmp(recorded->data, source->data, source->size) == 0;
    su_container_close(&container);
    return current;
}

/* The last component of a path, cut to what may stand in a file's name. */
static void readable_name(const char *path, char name[64])
{
    const char *slash = strrchr(path, '/');
    size_t size = 0;
    for (const char *at = slash ? slash + 1 : path; *at && size < 63; at++) {
        bool plain = (*at >= '0' && *at <= '9') || ((*at | 32) >= 'a' && (*at | 32) <= 'z');
        name[size++] = plain || *at == '-' || *at == '_' || *at == '.' ? *at : '_';
    }
    name[size] = '\0';
}

char *su_bundle_cache_path(const char *cache_dir, const char *folder, const char *packing)
{
    SuByteWriter key = {0};
    char name[64], file[256];
    char *resolved = su_path_resolve(folder);
    if (!resolved) return NULL;
    readable_name(resolved, name);
    su_write_string(&key, resolved);
    su_write_string(&key, packing);
    su_write_string(&key, sutra_version());
    su_write_u32(&key, SU_BUNDLE_VERSION);
    su_free(resolved);
    if (key.failed) {
        su_byte_writer_free(&key);
        return NULL;
    }
    SuDigest digest = su_digest(key.data, key.size);
    su_byte_writer_free(&key);
    int used = snprintf(file, sizeof file, "%s-%s-", name, packing);
    for (int i = 0; i < 8; i++) snprintf(file + used + 2 * i, 3, "%02x", digest.bytes[i]);
    snprintf(file + used + 16, sizeof file - (size_t)used - 16, ".sutra");
    return su_path_join(cache_dir, file);
}
