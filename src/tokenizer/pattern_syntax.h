/* pattern_syntax.h - regular expressions of the reference (Oniguruma, its Ruby syntax) as PCRE2
 * reads them.
 *
 * What means the same goes over as it is; what does not is written otherwise:
 *   \s \S              White_Space, which PCRE2's is not quite
 *   \w \W \b \B        by alphabetic characters, marks, decimal digits and connectors
 *   \d \D              decimal digits
 *   \v \uHHHH          the vertical tab, and a code point
 *   \p{Han}            a script, without what scripts share
 *   [a[bc]]            a class in a class
 *   {,n}               from 0
 * ^ and $ are those of lines, as with PCRE2_MULTILINE. Anything else is refused. */
#ifndef SU_PATTERN_SYNTAX_H
#define SU_PATTERN_SYNTAX_H

#include "base/byte_codec.h"

#include <stddef.h>

typedef struct SuSyntaxProblem {
    const char *what; /* what is not supported */
    size_t at;        /* its byte */
} SuSyntaxProblem;

/* Appends to `to` (whose `failed` is to be checked). False when the expression is refused. */
bool su_pattern_translate(const char *pattern, size_t size, SuByteWriter *to,
                          SuSyntaxProblem *problem);

#endif
