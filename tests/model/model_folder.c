#include "model/model_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PATH 1024

static void require(int condition, const char *path)
{
    if (condition) return;
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    abort();
}

static void join(char *out, const char *folder, const char *name)
{
    require(snprintf(out, MAX_PATH, "%s/%s", folder, name) < MAX_PATH, name);
}

char *folder_scratch(void)
{
    char *path = malloc(MAX_PATH);
    const char *parent = getenv("TMPDIR");
    require(path != NULL, "scratch folder");
    join(path, parent ? parent : "/tmp", "sutra-test-XXXXXX");
    require(mkdtemp(path) != NULL, path);
    return path;
}

static struct dirent *next_entry(DIR *listing)
{
    struct dirent *entry;
    do entry = readdir(listing);
    while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry;
}

void folder_remove(const char *folder)
{
    DIR *listing = opendir(folder);
    require(listing != NULL, folder);
    for (struct dirent *entry; (entry = next_entry(listing));) {
        char path[MAX_PATH];
        struct stat facts;
        join(path, folder, entry->d_name);
        require(lstat(path, &facts) == 0, path);
        if (S_ISDIR(facts.st_mode))
            folder_remove(path);
        else
            require(unlink(path) == 0, path);
    }
    closedir(listing);
    require(rmdir(folder) == 0, folder);
}

void folder_copy(const char *from, const char *to)
{
    DIR *listing = opendir(from);
    require(listing != NULL, from);
    for (struct dirent *entry; (entry = next_entry(listing));) {
        char source[MAX_PATH], target[MAX_PATH];
        struct stat facts;
        join(source, from, entry->d_name);
        join(target, to, entry->d_name);
        require(stat(source, &facts) == 0, source);
        if (S_ISDIR(facts.st_mode)) {
            require(mkdir(target, 0700) == 0 || errno == EEXIST, target);
            folder_copy(source, target);
        } else {
            size_t size;
            void *data = folder_read(from, entry->d_name, &size);
            folder_write(to, entry->d_name, data, size);
            free(data);
        }
    }
    closedir(listing);
}

void folder_write(const char *folder, const char *name, const void *data, size_t size)
{
    char path[MAX_PATH];
    join(path, folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        require(mkdir(path, 0700) == 0 || errno == EEXIST, path);
    }
    FILE *file = fopen(path, "wb");
    require(file != NULL, path);
    require(fwrite(data, 1, size, file) == size, path);
    require(fclose(file) == 0, path);
}

void folder_write_text(const char *folder, const char *name, const char *text)
{
    folder_write(folder, name, text, strlen(text));
}

void *folder_read(const char *folder, const char *name, size_t *size)
{
    char path[MAX_PATH];
    join(path, folder, name);
    FILE *file = fopen(path, "rb");
    require(file != NULL, path);
    require(fseek(file, 0, SEEK_END) == 0, path);
    *size = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*size + 1);
    require(data && fread(data, 1, *size, file) == *size, path);
    data[*size] = '\0';
    fclose(file);
    return data;
}

json_t *folder_read_json(const char *folder, const char *name)
{
    size_t size;
    char *text = folder_read(folder, name, &size);
    json_error_t reason;
    json_t *root = json_loadb(text, size, 0, &reason);
    if (!root) root = json_loadb(text, size, JSON_DECODE_INT_AS_REAL, &reason);
    require(root != NULL, name);
    free(text);
    return root;
}

void folder_patch(const char *folder, const char *name, const char *changes)
{
    json_t *root = folder_read_json(folder, name);
    json_t *patch = json_loads(changes, 0, NULL);
    require(patch && json_object_update(root, patch) == 0, changes);
    char *text = json_dumps(root, 0);
    folder_write_text(folder, name, text);
    free(text);
    json_decref(patch);
    json_decref(root);
}

void folder_delete(const char *folder, const char *name)
{
    char path[MAX_PATH];
    join(path, folder, name);
    require(remove(path) == 0, path);
}

static void move_into(const char *folder, const char *name, const char *into)
{
    char target[MAX_PATH];
    size_t size;
    void *data = folder_read(folder, name, &size);
    join(target, into, name);
    folder_write(folder, target, data, size);
    folder_delete(folder, name);
    free(data);
}

void folder_assemble(const char *group, const char *name, const char *to, json_t **expected)
{
    char folder[MAX_PATH], overlay[MAX_PATH], model[MAX_PATH];
    size_t i;
    json_t *file;
    join(folder, GOLDEN_FOLDER, group);
    join(overlay, folder, name);
    *expected = folder_read_json(overlay, "expected.json");
    join(model, GOLDEN_FOLDER "/models", json_string_value(json_object_get(*expected, "model")));
    folder_copy(model, to);
    folder_copy(overlay, to);
    folder_delete(to, "expected.json");
    folder_delete(to, "expected.f32");
    json_array_foreach(json_object_get(*expected, "remove"), i, file)
        folder_delete(to, json_string_value(file));
    json_array_foreach(json_object_get(*expected, "move"), i, file) move_into(
        to, json_string_value(file), json_string_value(json_object_get(*expected, "move_to")));
}
