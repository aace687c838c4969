/* index_sweep.h - indexes of folders in the cache, which nobody names and nobody would remove. */
#ifndef CLI_INDEX_SWEEP_H
#define CLI_INDEX_SWEEP_H

/* `path`, of an index in the cache with that recipe, has been used now: its time says so, to the
 * day. Removes those beside it that were not used for 30 days, and whose folder is gone or which
 * another version of sutra wrote: a folder may be on a disk that is away for a while. A message
 * says how many. */
void cli_sweep_indexes(const char *path, const char *recipe);

#endif
