/* web_files.h - the page's files and the description of the API, which the build puts into the
 * library (cmake/embed_files.cmake makes the table). */
#ifndef SU_WEB_FILES_H
#define SU_WEB_FILES_H

#include <stddef.h>

typedef struct SuWebFile {
    const char *name; /* "page.js" */
    const char *content_type;
    const char *tag; /* with its quotes, of the bytes */
    const unsigned char *data;
    size_t size;
} SuWebFile;

extern const SuWebFile su_web_files[]; /* [su_num_web_files] */
extern const size_t su_num_web_files;

#endif
