/* text_regions.h - a long text in parts that are cut into chunks one by one, so that an edit moves
 * the chunks of its own part alone: where a part begins is told by the line there, and not by what
 * came before. */
#ifndef CLI_TEXT_REGIONS_H
#define CLI_TEXT_REGIONS_H

#include <stddef.h>

/* Where the part ends that begins at byte `at`, a line's start: before a line that is chosen by its
 * hash, of those behind a blank line one in 16, else one in 128, and not in the part's first 2 KiB;
 * or at `size`. */
size_t cli_region_end(const char *text, size_t size, size_t at);

#endif
