/* Packed input: members and frames in any sequence, from files and slow pipes; damage at every byte. */
#include "byte_source.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

enum { TEXT_SIZE = 300000, PACKED_SIZE = 2 * TEXT_SIZE };

static char path[] = "/tmp/sutra-test-XXXXXX";
static unsigned char text[TEXT_SIZE], packed[PACKED_SIZE], got[2 * TEXT_SIZE];
static SutraError err;

static int set_up(void **state)
{
    uint32_t random = 1;
    (void)state;
    for (size_t i = 0; i < TEXT_SIZE; i++) {
        random = random * 1664525 + 1013904223;
        text[i] = (unsigned char)(random >> 30 ? 'a' + (random >> 24) % 20 : '\n');
    }
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static size_t add_gzip(size_t at, const void *data, size_t size)
{
    z_stream stream = {.next_in = (Bytef *)data,
                       .avail_in = (uInt)size,
                       .next_out = packed + at,
                       .avail_out = (uInt)(PACKED_SIZE - at)};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return PACKED_SIZE - stream.avail_out;
}

static size_t add_zstd(size_t at, const void *data, size_t size)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t written = ZSTD_compress2(context, packed + at, PACKED_SIZE - at, data, size);
    assert_false(ZSTD_isError(written));
    ZSTD_freeCCtx(context);
    return at + written;
}

static size_t add_bytes(size_t at, const void *data, size_t size)
{
    memcpy(packed + at, data, size);
    return at + size;
}

static void write_file(size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(packed, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Reads everything into `got`, at most `step` bytes at a time. */
static SutraStatus read_all(const char *name, size_t step, size_t *size)
{
    CliSource source;
    SutraStatus status = cli_source_open(&source, name, &err);
    *size = 0;
    while (status == SUTRA_OK && !source.ended) {
        size_t more;
        assert_true(*size + step <= sizeof got);
        status = cli_source_read(&source, got + *size, step, &more, &err);
        *size += more;
    }
    if (status == SUTRA_OK) {
        assert_int_equal(source.text_bytes, *size);
        assert_int_equal(cli_source_position(&source), source.bytes);
    }
    cli_source_close(&source);
    return status;
}

static void expect(size_t packed_size, const void *data, size_t size)
{
    static const size_t steps[] = {4, 1000, 65536};
    write_file(packed_size);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        size_t seen;
        if (read_all(path, steps[i], &seen) != SUTRA_OK) fail_msg("%s", err.message);
        assert_int_equal(seen, size);
        assert_memory_equal(got, data, size);
    }
}

static void plain_bytes_come_as_they_are(void **state)
{
    static const char *const starts[] = {"", "P", "P*", "P*M", "(", "(\xb5", "\x1f", "text\n"};
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        expect(add_bytes(0, starts[i], strlen(starts[i])), starts[i], strlen(starts[i]));
    expect(add_bytes(0, text, TEXT_SIZE), text, TEXT_SIZE);
}

static void members_and_frames_in_any_sequence(void **state)
{
    static const size_t half = TEXT_SIZE / 2;
    static const char skippable[] = "\x5e\x2a\x4d\x18\3\0\0\0abc";
    (void)state;
    expect(add_gzip(0, text, TEXT_SIZE), text, TEXT_SIZE);
    expect(add_zstd(0, text, TEXT_SIZE), text, TEXT_SIZE);
    expect(add_gzip(0, "", 0), "", 0);
    expect(add_zstd(0, "", 0), "", 0);
    expect(add_gzip(add_gzip(0, text, half), text + half, half), text, TEXT_SIZE);
    expect(add_zstd(add_zstd(0, text, half), text + half, half), text, TEXT_SIZE);
    expect(add_gzip(add_zstd(0, text, half), text + half, half), text, TEXT_SIZE);
    expect(add_zstd(add_gzip(0, text, half), text + half, half), text, TEXT_SIZE);
    expect(add_gzip(add_gzip(0, "", 0), text, 10), text, 10);
    size_t at = add_bytes(0, skippable, sizeof skippable - 1);
    at = add_zstd(at, text, TEXT_SIZE);
    expect(add_bytes(at, skippable, sizeof skippable - 1), text, TEXT_SIZE);
    at = 0;
    for (size_t i = 0; i < 1000; i++)
        at = i % 3 ? add_gzip(at, text + i, 1) : add_zstd(at, text + i, 1);
    expect(at, text, 1000);
}

static void zeros_after_the_last_member_are_padding(void **state)
{
    static const char zeros[1000];
    (void)state;
    expect(add_bytes(add_gzip(0, text, 100), zeros, 1), text, 100);
    expect(add_bytes(add_zstd(0, text, 100), zeros, sizeof zeros), text, 100);
}

static void expect_failure(size_t packed_size, const char *words)
{
    size_t seen;
    write_file(packed_size);
    assert_int_equal(read_all(path, 65536, &seen), SUTRA_E_FORMAT);
    if (!strstr(err.message, words)) fail_msg("\"%s\" is not in: %s", words, err.message);
}

static void what_follows_must_be_packed_too(void **state)
{
    (void)state;
    expect_failure(add_bytes(add_gzip(0, text, 100), "more\n", 5),
                   "what follows the last gzip member");
    expect_failure(add_bytes(add_zstd(0, text, 100), "(", 1), "what follows the last zstd frame");
    expect_failure(add_gzip(add_bytes(add_gzip(0, text, 9), "\0", 1), text, 9), "what follows");
}

/* What is cut off anywhere is told, and what came before is handed on first. */
static void input_that_is_cut_off(void **state)
{
    (void)state;
    for (int zstd = 0; zstd < 2; zstd++) {
        size_t size = zstd ? add_zstd(0, text, 2000) : add_gzip(0, text, 2000);
        for (size_t cut = zstd ? 4 : 2; cut < size; cut++) {
            size_t seen;
            write_file(cut);
            assert_int_equal(read_all(path, 1000, &seen), SUTRA_E_FORMAT);
            assert_non_null(strstr(err.message, "the input is cut off"));
            assert_memory_equal(got, text, seen);
            if (!zstd && cut + 8 >= size) assert_int_equal(seen, 2000);
        }
    }
}

static void damage_is_told(void **state)
{
    (void)state;
    for (int zstd = 0; zstd < 2; zstd++) {
        size_t size = zstd ? add_zstd(0, text, 2000) : add_gzip(0, text, 2000);
        /* Past what is no part of the text: gzip's flags, time and system. */
        for (size_t i = zstd ? 4 : 10; i < size; i++) {
            size_t seen;
            packed[i] ^= 0x10;
            write_file(size);
            packed[i] ^= 0x10;
            SutraStatus status = read_all(path, 1000, &seen);
            /* A bit that fills up the last byte says nothing. */
            bool same = status == SUTRA_OK && seen == 2000 && memcmp(got, text, seen) == 0;
            if (!same && status != SUTRA_E_FORMAT && status != SUTRA_E_LIMIT)
                fail_msg("byte %zu", i);
        }
    }
}

static void a_window_is_bounded(void **state)
{
    static const unsigned char frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x90, 0x01, 0x00, 0x00};
    size_t seen;
    (void)state;
    write_file(add_bytes(0, frame, sizeof frame));
    assert_int_equal(read_all(path, 1000, &seen), SUTRA_E_LIMIT);
    assert_non_null(strstr(err.message, "128 MiB"));
}

typedef struct Writer {
    int fd;
    size_t size;
} Writer;

static void *write_bytes(void *argument)
{
    const Writer *writer = argument;
    for (size_t i = 0; i < writer->size; i++)
        if (write(writer->fd, packed + i, 1) != 1) return NULL;
    close(writer->fd);
    return argument;
}

static void a_pipe_that_gives_single_bytes(void **state)
{
    (void)state;
    int ends[2];
    char name[32];
    size_t seen;
    pthread_t thread;
    assert_int_equal(pipe(ends), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    Writer writer = {ends[1],
                     add_gzip(add_zstd(add_gzip(0, text, 900), text + 900, 900), text + 1800, 9)};
    assert_int_equal(pthread_create(&thread, NULL, write_bytes, &writer), 0);
    if (read_all(name, 64, &seen) != SUTRA_OK) fail_msg("%s", err.message);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(seen, 1809);
    assert_memory_equal(got, text, 1809);
    close(ends[0]);
}

/* What a writer flushed is there, and would_wait says when nothing is. */
static void flushed_text_is_not_held_back(void **state)
{
    (void)state;
    int ends[2];
    char name[32];
    z_stream stream = {0};
    CliSource source;
    assert_int_equal(pipe(ends), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    assert_int_equal(cli_source_open(&source, name, &err), SUTRA_OK);
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    for (size_t i = 0; i < 5; i++) {
        size_t seen = 0, more;
        stream.next_in = text + 100 * i;
        stream.avail_in = 100;
        stream.next_out = packed;
        stream.avail_out = PACKED_SIZE;
        assert_int_equal(deflate(&stream, Z_SYNC_FLUSH), Z_OK);
        size_t size = PACKED_SIZE - stream.avail_out;
        assert_int_equal(write(ends[1], packed, size), size);
        assert_false(cli_source_would_wait(&source));
        while (!cli_source_would_wait(&source)) {
            assert_int_equal(cli_source_read(&source, got + seen, 7, &more, &err), SUTRA_OK);
            seen += more;
        }
        assert_int_equal(seen, 100);
        assert_memory_equal(got, text + 100 * i, 100);
    }
    deflateEnd(&stream);
    cli_source_close(&source);
    close(ends[0]);
    close(ends[1]);
}

static void reading_can_be_stopped(void **state)
{
    (void)state;
    int ends[2], stop[2];
    char name[32];
    size_t size;
    CliSource source;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(stop), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    assert_int_equal(cli_source_open(&source, name, &err), SUTRA_OK);
    source.stop_fd = stop[0];
    assert_int_equal(write(ends[1], "text", 4), 4);
    assert_int_equal(cli_source_read(&source, got, 100, &size, &err), SUTRA_OK);
    assert_int_equal(size, 4);
    assert_int_equal(write(stop[1], "", 1), 1);
    assert_int_equal(cli_source_read(&source, got, 100, &size, &err), SUTRA_E_CANCELLED);
    cli_source_close(&source);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(stop[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_bytes_come_as_they_are),
        cmocka_unit_test(members_and_frames_in_any_sequence),
        cmocka_unit_test(zeros_after_the_last_member_are_padding),
        cmocka_unit_test(what_follows_must_be_packed_too),
        cmocka_unit_test(input_that_is_cut_off),
        cmocka_unit_test(damage_is_told),
        cmocka_unit_test(a_window_is_bounded),
        cmocka_unit_test(a_pipe_that_gives_single_bytes),
        cmocka_unit_test(flushed_text_is_not_held_back),
        cmocka_unit_test(reading_can_be_stopped),
    };
    return cmocka_run_group_tests_name("byte_source", tests, set_up, remove_file);
}
