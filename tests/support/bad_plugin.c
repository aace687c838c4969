/* Plugins that are to be left out: BAD_PLUGIN says of which kind. */
#include "sutra_backend.h"

#include <stddef.h>

/* 0: without the function */
enum { OLD = 1, HALF, SHY };

#if BAD_PLUGIN != 0
const SutraBackend *sutra_backend_entry(const SutraHost *host)
{
    static SutraBackend backend = {
        .struct_size = sizeof backend, .abi = SUTRA_BACKEND_ABI, .name = "bad"};
    (void)host;
    if (BAD_PLUGIN == OLD) backend.abi = SUTRA_BACKEND_ABI - 1;
    return BAD_PLUGIN == SHY ? NULL : &backend;
}
#else
SUTRA_API int bad_plugin(void);
int bad_plugin(void) { return 0; }
#endif
