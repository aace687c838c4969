/* amx_emulator.h - AMX in software, for tests on processors and systems without it.
 *
 * Once installed, an instruction of tiles that raises SIGILL is executed by the pseudo-code of Intel's
 * manual (volume 2) and passed over: LDTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILELOADDT1,
 * TILESTORED, TDPBUSD and TDPBF16PS. What the manual answers with #UD or #GP ends the program with a
 * message. Each thread has its own tiles. Registers are read from the signal's context, so the code may
 * be any compiler's.
 *
 * Where the processor has AMX but this process has not asked for its state, LDTILECFG works and all else
 * raises SIGILL: the configuration is then read from the saved state. */
#ifndef AMX_EMULATOR_H
#define AMX_EMULATOR_H

#include <stddef.h>
#include <stdint.h>

enum { AMX_TILES = 8, AMX_ROWS = 16, AMX_ROW_BYTES = 64, AMX_CONFIG_BYTES = 64 };

typedef struct AmxState {
    unsigned char config[AMX_CONFIG_BYTES]; /* palette 0: none */
    unsigned char tiles[AMX_TILES][AMX_ROWS][AMX_ROW_BYTES];
} AmxState;

/* Executes the instruction at `code`; general: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 … r15. Returns
 * its length, 0 if it is none of the above. *fault: why the processor would refuse it, or NULL. */
size_t amx_execute(AmxState *state, const unsigned char *code, const uint64_t general[16],
                   const char **fault);

void amx_emulator_install(void);
/* Instructions executed so far, by all threads. */
unsigned long amx_emulator_count(void);

#endif
