/* pattern_scan.h - scanners for the regular expressions that most tokenizers cut words with.
 *
 * An expression that is known by its text, byte for byte, needs no engine of expressions: a scanner
 * finds the same matches. All of them match at every character, so a text is a row of matches. */
#ifndef SU_PATTERN_SCAN_H
#define SU_PATTERN_SCAN_H

#include <stddef.h>

/* Where the match ends that begins at text + at; at < size, and the result is > at. The text is
 * valid UTF-8; what lies at size and after it is not part of it. */
typedef size_t (*SuPatternScanner)(const char *text, size_t size, size_t at);

/* GPT-2's, which is ByteLevel's own:
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
size_t su_pattern_scan_gpt2(const char *text, size_t size, size_t at);

/* The scanner of an expression; NULL: there is none. */
SuPatternScanner su_pattern_scanner(const char *pattern, size_t size);

#endif
