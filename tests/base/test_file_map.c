#include "base/file_map.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/sutra-file-map-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static char *path_in(const char *name) { return su_path_join(folder, name); }

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void maps_the_whole_file(void **state)
{
    (void)state;
    char *path = path_in("data");
    unsigned char data[10000];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7);
    write_file(path, data, sizeof data);
    SuFileMap map;
    SutraError err;
    assert_int_equal(su_file_map_open(path, &map, &err), SUTRA_OK);
    unlink(path); /* the mapping outlives the name */
    assert_int_equal(map.size, sizeof data);
    assert_memory_equal(map.data, data, sizeof data);
    su_file_map_close(&map);
    assert_null(map.data);
    su_file_map_close(&map); /* twice is legal */
    su_free(path);
}

static void an_empty_file_has_a_pointer(void **state)
{
    (void)state;
    char *path = path_in("empty");
    write_file(path, "", 0);
    SuFileMap map;
    assert_int_equal(su_file_map_open(path, &map, NULL), SUTRA_OK);
    assert_int_equal(map.size, 0);
    assert_non_null(map.data);
    su_file_map_close(&map);
    unlink(path);
    su_free(path);
}

static void expect_io_error(const char *path, const char *words)
{
    SuFileMap map;
    SutraError err;
    assert_int_equal(su_file_map_open(path, &map, &err), SUTRA_E_IO);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, words));
    assert_null(map.data);
    assert_int_equal(map.size, 0);
}

static void other_than_regular_files_are_refused(void **state)
{
    (void)state;
    char *path = path_in("fifo");
    expect_io_error(path, "No such file");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_io_error(path, "not a regular file"); /* and does not wait for a writer */
    assert_false(su_file_exists(path));
    unlink(path);
    expect_io_error(folder, "not a regular file");
    expect_io_error("/dev/null", "not a regular file");
    su_free(path);
}

static void existence(void **state)
{
    (void)state;
    char *path = path_in("here");
    assert_false(su_file_exists(path));
    write_file(path, "x", 1);
    assert_true(su_file_exists(path));
    assert_false(su_directory_exists(path));
    assert_true(su_directory_exists(folder));
    assert_false(su_file_exists(folder));
    unlink(path);
    su_free(path);
}

static void joins(void **state)
{
    (void)state;
    char *path = su_path_join("a/b", "c");
    assert_string_equal(path, "a/b/c");
    su_free(path);
    su_memory_fail_after(0, false);
    assert_null(su_path_join("a", "b"));
    su_memory_fail_after(-1, false);
}

static void containment(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a", "a/b", "model-00001-of-00002.safetensors", "a..b", "..a", "a/...", ".a", "a/.b", "é"};
    static const char *const bad[] = {
        "",   "/",    "/a", "..",  "../a", "a/..", "a/../b", "a/./b", ".",       "./a",
        "a/", "a//b", "//", "a/.", "a\\b", "\\\\", "a\\..",  "../..", "a/b/../c"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!su_path_is_contained(good[i])) fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (su_path_is_contained(bad[i])) fail_msg("%s is accepted", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_the_whole_file),
        cmocka_unit_test(an_empty_file_has_a_pointer),
        cmocka_unit_test(other_than_regular_files_are_refused),
        cmocka_unit_test(existence),
        cmocka_unit_test(joins),
        cmocka_unit_test(containment),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
