/* The cache of bundles: made on first use, renewed when the folder changes, whole whatever happens
 * to its writers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file_write.h"
#include "bundle_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES = 6, KILLS = 40 };

typedef BundleFixture Fixture; /* its folder is the cache */

/* Opens through the cache; true if the vectors are the folder's. */
static bool open_and_embed(const Fixture *f, const char *cache)
{
    SutraModelOptions options = {.struct_size = sizeof options, .cache_dir = cache};
    return bundle_gives_expected(f, f->model, &options);
}

static bool has_ending(const char *name, const char *ending)
{
    size_t size = strlen(name), tail = strlen(ending);
    return size >= tail && strcmp(name + size - tail, ending) == 0;
}

/* Bundles in the cache, each verified; *temporary counts what writers left; *path is the last
 * bundle's, or NULL. */
static size_t count_bundles(const char *cache, size_t *temporary, char **path)
{
    size_t bundles = 0;
    *temporary = 0;
    *path = NULL;
    DIR *directory = opendir(cache);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (has_ending(entry->d_name, SU_TEMPORARY)) (*temporary)++;
        if (!has_ending(entry->d_name, ".sutra")) continue;
        SutraError err;
        free(*path);
        *path = path_in(cache, entry->d_name);
        if (sutra_model_verify(*path, &err) != SUTRA_OK) fail_msg("%s", err.message);
        bundles++;
    }
    closedir(directory);
    return bundles;
}

static void test_made_once(void **state)
{
    Fixture *f = *state;
    size_t temporary;
    char *path, *again, *below = path_in(f->folder, "a");
    SuFileFacts first, second;
    SutraError err;
    assert_true(open_and_embed(f, f->folder));
    assert_int_equal(count_bundles(f->folder, &temporary, &path), 1);
    assert_int_equal(temporary, 0);
    assert_int_equal(su_file_facts(path, &first, &err), SUTRA_OK);
    assert_true(open_and_embed(f, f->folder));
    assert_int_equal(count_bundles(f->folder, &temporary, &again), 1);
    assert_int_equal(su_file_facts(again, &second, &err), SUTRA_OK);
    assert_memory_equal(&first, &second, sizeof first);
    free(path);
    free(again);
    assert_true(open_and_embed(f, below)); /* the folder is created */
    assert_int_equal(count_bundles(below, &temporary, &path), 1);
    unlink(path);
    rmdir(below);
    free(path);
    free(below);
}

static void set_time(const char *folder, const char *name, time_t seconds)
{
    char *path = path_in(folder, name);
    struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    free(path);
}

static void test_renewed(void **state)
{
    Fixture *f = *state;
    size_t temporary;
    char *path, *config;
    SuFileFacts first, second;
    SutraError err;
    assert_true(open_and_embed(f, f->folder));
    count_bundles(f->folder, &temporary, &path);
    assert_int_equal(su_file_facts(path, &first, &err), SUTRA_OK);
    set_time(f->model, "model.safetensors", 1000000000); /* touched */
    assert_true(open_and_embed(f, f->folder));
    assert_int_equal(su_file_facts(path, &second, &err), SUTRA_OK);
    assert_int_not_equal(first.inode, second.inode);

    /* the folder now holds another model: its vectors count, not the bundle's */
    TinyModel other = bundle_tiny;
    other.seed = 8;
    char *source = tiny_model_write(&other);
    char *from = path_in(source, "model.safetensors"), *to = path_in(f->model, "model.safetensors");
    assert_int_equal(rename(from, to), 0);
    assert_false(open_and_embed(f, f->folder));
    free(from);
    free(to);

    /* a file that appears counts too */
    assert_int_equal(su_file_facts(path, &first, &err), SUTRA_OK);
    config = path_in(f->model, "config_sentence_transformers.json");
    write_bytes(config, (const unsigned char *)"{}", 2);
    assert_false(open_and_embed(f, f->folder));
    assert_int_equal(su_file_facts(path, &second, &err), SUTRA_OK);
    assert_int_not_equal(first.inode, second.inode);
    unlink(config);
    free(config);
    free(path);
    tiny_model_remove(source);
}

/* New weights written into the same file, of the same size and with the old time of change, as
 * `cp -p` leaves them where times are fixed. */
static void test_renewed_after_write_in_place(void **state)
{
    Fixture *f = *state;
    size_t size;
    TinyModel other = bundle_tiny;
    other.seed = 8;
    char *source = tiny_model_write(&other);
    char *from = path_in(source, "model.safetensors"), *to = path_in(f->model, "model.safetensors");
    unsigned char *bytes = read_bytes(from, &size);
    SuFileFacts before, after;
    SutraError err;
    set_time(f->model, "model.safetensors", 1000000000);
    assert_int_equal(su_file_facts(to, &before, &err), SUTRA_OK);
    assert_true(open_and_embed(f, f->folder));
    do { /* until the file system's clock has moved */
        write_bytes(to, bytes, size);
        set_time(f->model, "model.safetensors", 1000000000);
        assert_int_equal(su_file_facts(to, &after, &err), SUTRA_OK);
    } while (after.ctime_ns == before.ctime_ns);
    assert_int_equal(before.size, after.size);
    assert_int_equal(before.mtime_ns, after.mtime_ns);
    assert_int_equal(before.inode, after.inode);
    assert_false(open_and_embed(f, f->folder));
    free(bytes);
    free(from);
    free(to);
    tiny_model_remove(source);
}

/* A bundle that is damaged where opening sees it is replaced. */
static void test_bad_bundle_is_replaced(void **state)
{
    Fixture *f = *state;
    size_t temporary, size;
    char *path;
    assert_true(open_and_embed(f, f->folder));
    count_bundles(f->folder, &temporary, &path);
    unsigned char *bytes = read_bytes(path, &size);
    write_bytes(path, bytes, size / 2);
    free(bytes);
    assert_true(open_and_embed(f, f->folder));
    free(path);
    assert_int_equal(count_bundles(f->folder, &temporary, &path), 1);
    free(path);
}

static void test_at_once(void **state)
{
    Fixture *f = *state;
    pid_t children[PROCESSES];
    size_t temporary;
    char *path;
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) _exit(open_and_embed(f, f->folder) ? 0 : 1);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int result;
        assert_int_equal(waitpid(children[i], &result, 0), children[i]);
        assert_int_equal(result, 0);
    }
    assert_int_equal(count_bundles(f->folder, &temporary, &path), 1);
    assert_int_equal(temporary, 0);
    free(path);
}

static void test_killed(void **state)
{
    Fixture *f = *state;
    size_t temporary;
    char *path;
    uint32_t random = 99;
    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (time_t n = 1;; n++) { /* writes again and again */
                set_time(f->model, "config.json", 1000000000 + n);
                open_and_embed(f, f->folder);
            }
        }
        usleep(tiny_random(&random) % 20000);
        kill(child, SIGKILL);
        int result;
        assert_int_equal(waitpid(child, &result, 0), child);
        count_bundles(f->folder, &temporary, &path);
        free(path);
    }
    assert_true(open_and_embed(f, f->folder));
    assert_int_equal(count_bundles(f->folder, &temporary, &path), 1);
    free(path);

    /* what dead writers of this bundle left goes with the next one, other things after an hour */
    set_time(f->model, "config.json", 800000000);
    assert_true(open_and_embed(f, f->folder));
    assert_int_equal(count_bundles(f->folder, &temporary, &path), 1);
    assert_int_equal(temporary, 0);
    free(path);
    char *left = path_in(f->folder, "x" SU_TEMPORARY),
         *fresh = path_in(f->folder, "y" SU_TEMPORARY);
    write_bytes(left, (const unsigned char *)"x", 1);
    write_bytes(fresh, (const unsigned char *)"y", 1);
    set_time(f->folder, "x" SU_TEMPORARY, time(NULL) - 7200);
    set_time(f->model, "config.json", 900000000);
    assert_true(open_and_embed(f, f->folder));
    assert_int_not_equal(access(left, F_OK), 0);
    assert_int_equal(access(fresh, F_OK), 0);
    free(left);
    free(fresh);
}

static void test_cache_cannot_be_written(void **state)
{
    Fixture *f = *state;
    char *file = path_in(f->folder, "file"), *below = path_in(file, "below");
    write_bytes(file, (const unsigned char *)"x", 1);
    assert_true(open_and_embed(f, file));
    assert_true(open_and_embed(f, below));
    free(file);
    free(below);
}

static void test_full_disk(void **state)
{
    Fixture *f = *state;
    size_t temporary;
    char *path;
    if (mount("none", f->folder, "tmpfs", 0, "size=32k") != 0) {
        print_message("not run: a small tmpfs cannot be mounted here (%s)\n", strerror(errno));
        return;
    }
    bool opened = open_and_embed(f, f->folder);
    size_t bundles = count_bundles(f->folder, &temporary, &path);
    SutraModel *model;
    SutraError err;
    char *asked = path_in(f->folder, "asked.sutra");
    SutraStatus saved = SUTRA_OK;
    if (sutra_model_open(f->model, NULL, &model, &err) == SUTRA_OK) {
        saved = sutra_model_save(model, asked, &err);
        sutra_model_free(model);
    }
    bool left = access(asked, F_OK) == 0;
    assert_int_equal(umount(f->folder), 0);
    free(asked);
    free(path);
    assert_true(opened);
    assert_int_equal(bundles, 0);
    assert_int_equal(temporary, 0);
    assert_int_equal(saved, SUTRA_E_IO);
    assert_non_null(strstr(err.message, "asked.sutra"));
    assert_false(left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_once, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_renewed, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_renewed_after_write_in_place, bundle_set_up,
                                        bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_bad_bundle_is_replaced, bundle_set_up,
                                        bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_at_once, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_killed, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_cache_cannot_be_written, bundle_set_up,
                                        bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, bundle_set_up, bundle_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
