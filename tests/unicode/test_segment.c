/* Boundaries in a text: Unicode's own tests (segment_cases.txt), and paragraphs. */
#include "unicode/segment.h"
#include "unicode/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct Case {
    char text[256];
    size_t size;
    bool ends[256]; /* a segment ends before this byte */
} Case;

/* "0061 / 0308 0062" */
static void read_case(const char *line, Case *it)
{
    *it = (Case){.size = 0};
    for (const char *at = line; *at && *at != '\n';) {
        char *end;
        if (*at == '/') {
            it->ends[it->size] = true;
            at++;
        } else if (*at == ' ') {
            at++;
        } else {
            it->size += su_utf8_encode((uint32_t)strtoul(at, &end, 16), it->text + it->size);
            at = end;
        }
    }
}

/* Returns how many boundaries were inside a cluster, where none is told. */
static int check(const char *line, unsigned boundary)
{
    int inside = 0;
    Case it;
    SuSegmenter segmenter;
    SuSegmentStep step;
    read_case(line, &it);
    su_segmenter_start(&segmenter, it.text, it.size);
    size_t at = 0;
    while (su_segmenter_next(&segmenter, &step)) {
        assert_int_equal(step.begin, at);
        bool expected = at == 0 || it.ends[at];
        if (boundary != SU_BOUNDARY_CLUSTER && !(step.boundaries & SU_BOUNDARY_CLUSTER)) {
            inside += expected;
            expected = false;
        }
        if ((step.boundaries & boundary) != (expected ? boundary : 0))
            fail_msg("byte %zu of %s", at, line);
        at = step.end;
    }
    assert_int_equal(at, it.size);
    return inside;
}

static void unicode_s_tests(void **state)
{
    (void)state;
    char line[1024];
    int clusters = 0, words = 0, sentences = 0, inside = 0;
    FILE *file = fopen(SU_SOURCE_DIR "/tests/unicode/segment_cases.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (line[0] == 'G') check(line + 2, SU_BOUNDARY_CLUSTER), clusters++;
        if (line[0] == 'W') inside += check(line + 2, SU_BOUNDARY_WORD), words++;
        if (line[0] == 'S') inside += check(line + 2, SU_BOUNDARY_SENTENCE), sentences++;
    }
    fclose(file);
    assert_int_equal(clusters, 602);
    assert_int_equal(words, 1823);
    assert_int_equal(sentences, 502);
    assert_int_equal(inside, 1); /* two flags with a joiner between them, and a third: of words */
}

/* "|" stands for where a paragraph ends, and is taken out. */
static void check_paragraphs(const char *marked)
{
    char text[200];
    size_t ends[20], count = 0, size = 0, found = 0;
    for (; *marked; marked++) {
        if (*marked == '|')
            ends[count++] = size;
        else
            text[size++] = *marked;
    }
    SuSegmenter segmenter;
    SuSegmentStep step;
    su_segmenter_start(&segmenter, text, size);
    while (su_segmenter_next(&segmenter, &step)) {
        if (!(step.boundaries & SU_BOUNDARY_PARAGRAPH)) continue;
        assert_true(found < count);
        assert_int_equal(step.begin, ends[found++]);
        assert_int_equal(step.boundaries & SU_BOUNDARY_SENTENCE, SU_BOUNDARY_SENTENCE);
    }
    assert_int_equal(found, count);
}

static void paragraphs_end_with_blank_lines(void **state)
{
    (void)state;
    check_paragraphs("one\ntwo\n\n|three\nfour");
    check_paragraphs("one\r\ntwo\r\n\r\n|three");
    check_paragraphs("one\n \t\xc2\xa0\n|two\n");
    check_paragraphs("one\n\n|\n|two\n\n"); /* the end is no boundary before anything */
    check_paragraphs("one\xe2\x80\xa9|two\xe2\x80\xa8three\xc2\x85 four");
    check_paragraphs("one\xe2\x80\xa8\xe2\x80\xa8|two");
    check_paragraphs("one\r\r|two");
    check_paragraphs("\n a");
    check_paragraphs("a\n\xcc\x81\nb"); /* a mark alone is no blank line */
}

static size_t find_all(const char *text, size_t size, unsigned *boundaries)
{
    SuSegmenter segmenter;
    SuSegmentStep step;
    size_t count = 0;
    su_segmenter_start(&segmenter, text, size);
    while (su_segmenter_next(&segmenter, &step)) boundaries[count++] = step.boundaries;
    return count;
}

/* What is between letters is a cluster's boundary, however many there are; nothing else changes. */
static void a_longer_run_of_letters(void **state)
{
    (void)state;
    static const char marks[] = "a.B 1,'A\"\n_a-b";
    uint32_t random = 1;
    for (int turn = 0; turn < 20000; turn++) {
        char text[64], longer[64];
        unsigned before[64], after[64];
        size_t size = 0, more = 1 + (size_t)turn % 5;
        for (int i = 0; i < 20; i++) {
            random = random * 1103515245u + 12345u;
            text[size++] = marks[(random >> 16) % (sizeof marks - 1)];
        }
        size_t at = (random >> 8) % 20; /* two letters here, or some more */
        text[at] = text[at + 1 < size ? at + 1 : at - 1] = 'e';
        if (at + 1 == size) at--;
        memcpy(longer, text, at + 1);
        memset(longer + at + 1, 'e', more);
        memcpy(longer + at + 1 + more, text + at + 1, size - at - 1);
        assert_int_equal(find_all(text, size, before), size);
        assert_int_equal(find_all(longer, size + more, after), size + more);
        assert_memory_equal(before, after, (at + 2) * sizeof *before);
        for (size_t i = 0; i < more; i++) assert_int_equal(after[at + 1 + i], SU_BOUNDARY_CLUSTER);
        assert_memory_equal(before + at + 1, after + at + 1 + more,
                            (size - at - 1) * sizeof *before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(unicode_s_tests),
                                       cmocka_unit_test(a_longer_run_of_letters),
                                       cmocka_unit_test(paragraphs_end_with_blank_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
