/* The container: what is written is read; every truncation and every flipped bit is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "container/container_format.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Fixture {
    char folder[256], path[300];
    unsigned char *bytes; /* [size] a container of three sections */
    size_t size;
} Fixture;

static const char small[] = "seven\0!";

static void fill(unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) data[i] = (unsigned char)(i * 31 + i / 251);
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    const char *base = getenv("TMPDIR");
    SuContainerWriter writer;
    unsigned char data[700];
    SutraError err;
    fill(data, sizeof data);
    snprintf(f->folder, sizeof f->folder, "%s/sutra-container-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/x.sutra", f->folder);
    assert_int_equal(su_container_writer_open(f->path, 3, &writer, &err), SUTRA_OK);
    assert_int_equal(su_container_writer_add(&writer, "small", small, sizeof small, &err),
                     SUTRA_OK);
    assert_int_equal(su_container_writer_add(&writer, "empty", "", 0, &err), SUTRA_OK);
    assert_int_equal(su_container_writer_add(&writer, "data.0", data, sizeof data, &err), SUTRA_OK);
    assert_int_equal(su_container_writer_commit(&writer, &err), SUTRA_OK);
    FILE *file = fopen(f->path, "rb");
    f->bytes = malloc(65536);
    f->size = fread(f->bytes, 1, 65536, file);
    fclose(file);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    unlink(f->path);
    assert_int_equal(rmdir(f->folder), 0); /* no temporary file was left */
    free(f->bytes);
    free(f);
    return 0;
}

static void test_round_trip(void **state)
{
    Fixture *f = *state;
    SuContainer container;
    SutraError err;
    unsigned char data[700];
    fill(data, sizeof data);
    assert_int_equal(su_container_open(f->path, &container, &err), SUTRA_OK);
    assert_int_equal(container.num_sections, 3);
    const SuSection *section = su_container_find(&container, "small");
    assert_int_equal(section->size, sizeof small);
    assert_memory_equal(section->data, small, sizeof small);
    assert_int_equal(su_container_find(&container, "empty")->size, 0);
    section = su_container_find(&container, "data.0");
    assert_int_equal(section->size, sizeof data);
    assert_memory_equal(section->data, data, sizeof data);
    assert_int_equal((uintptr_t)section->data % SU_CONTAINER_ALIGNMENT, 0);
    assert_null(su_container_find(&container, "data"));
    assert_int_equal(su_container_verify(&container, &err), SUTRA_OK);
    su_container_close(&container);
}

/* Opens a copy of exactly `size` bytes, so that a sanitizer sees a read beyond it. */
static SutraStatus check_bytes(const unsigned char *bytes, size_t size)
{
    SuContainer container;
    SutraError err;
    unsigned char *copy = malloc(size ? size : 1);
    if (size) memcpy(copy, bytes, size);
    SutraStatus status = su_container_read(copy, size, "x.sutra", &container, &err);
    if (status == SUTRA_OK) {
        status = su_container_verify(&container, &err);
        container.map = (SuFileMap){0};
        su_container_close(&container);
    }
    free(copy);
    return status;
}

static void test_truncated(void **state)
{
    Fixture *f = *state;
    assert_int_equal(check_bytes(f->bytes, f->size), SUTRA_OK);
    for (size_t size = 0; size < f->size; size++)
        assert_int_equal(check_bytes(f->bytes, size), SUTRA_E_FORMAT);
    f->bytes[f->size] = 0;
    assert_int_equal(check_bytes(f->bytes, f->size + 1), SUTRA_E_FORMAT);
}

static void test_every_bit(void **state)
{
    Fixture *f = *state;
    for (size_t bit = 0; bit < 8 * f->size; bit++) {
        f->bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        SutraStatus status = check_bytes(f->bytes, f->size);
        if (status != SUTRA_E_FORMAT && status != SUTRA_E_UNSUPPORTED)
            fail_msg("bit %zu of byte %zu: %s", bit % 8, bit / 8, sutra_status_name(status));
        f->bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

static void seal(Fixture *f)
{
    size_t count = (size_t)su_get_le(f->bytes + SU_HEADER_SECTIONS, 4);
    SuDigest digest = su_container_head_digest(f->bytes, count);
    memcpy(f->bytes + SU_HEADER_DIGEST, &digest, sizeof digest);
}

/* Tables that contradict themselves under a digest that fits. */
static void test_forged_table(void **state)
{
    Fixture *f = *state;
    static const uint64_t values[] = {
        0, 1, 64, UINT64_MAX, UINT64_MAX - 63, UINT64_C(1) << 63, (UINT64_C(1) << 63) - 64, 320};
    for (size_t entry = 0; entry < 3; entry++)
        for (size_t field = 0; field < 2; field++)
            for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
                unsigned char *at = f->bytes + SU_HEADER_SIZE + entry * SU_ENTRY_SIZE +
                                    (field ? SU_ENTRY_LENGTH : SU_ENTRY_OFFSET);
                uint64_t kept = su_get_le(at, 8);
                if (kept == values[i]) continue;
                su_put_le(at, values[i], 8);
                seal(f);
                assert_int_equal(check_bytes(f->bytes, f->size), SUTRA_E_FORMAT);
                su_put_le(at, kept, 8);
            }
    unsigned char *name = f->bytes + SU_HEADER_SIZE;
    static const char *const names[] = {"", "UPPER", "a/b", "data.0"};
    for (size_t i = 0; i < 4; i++) {
        unsigned char kept[SU_CONTAINER_NAME];
        memcpy(kept, name, sizeof kept);
        memset(name, 0, sizeof kept);
        memcpy(name, names[i], strlen(names[i]));
        seal(f);
        assert_int_equal(check_bytes(f->bytes, f->size), SUTRA_E_FORMAT);
        memcpy(name, kept, sizeof kept);
    }
    seal(f);
    assert_int_equal(check_bytes(f->bytes, f->size), SUTRA_OK);
}

static void test_writer_refuses(void **state)
{
    Fixture *f = *state;
    SuContainerWriter writer;
    SutraError err;
    assert_int_equal(su_container_writer_open(f->path, 2, &writer, &err), SUTRA_OK);
    assert_int_equal(su_container_writer_add(&writer, "Bad", "", 0, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(
        su_container_writer_add(&writer, "a-name-that-is-too-long-for-a-table", "", 0, &err),
        SUTRA_E_ARGUMENT);
    assert_int_equal(su_container_writer_add(&writer, "a", "x", 1, &err), SUTRA_OK);
    assert_int_equal(su_container_writer_add(&writer, "a", "x", 1, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(su_container_writer_commit(&writer, &err), SUTRA_E_ARGUMENT);
    /* the file that was there is untouched */
    unsigned char now[65536];
    int fd = open(f->path, O_RDONLY);
    assert_int_equal(read(fd, now, sizeof now), f->size);
    close(fd);
    assert_memory_equal(now, f->bytes, f->size);
    assert_int_equal(su_container_writer_open("/nonexistent/x.sutra", 1, &writer, &err),
                     SUTRA_E_IO);
    assert_non_null(strstr(err.message, "/nonexistent/x.sutra"));
    su_container_writer_discard(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_truncated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forged_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_writer_refuses, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
