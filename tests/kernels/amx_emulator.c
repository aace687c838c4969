#include "amx_emulator.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <xmmintrin.h>

/* ---- decoding ---- */

typedef enum Prefix { NP = 0, P66 = 1, PF3 = 2, PF2 = 3 } Prefix;

typedef struct Instruction {
    unsigned opcode;
    Prefix prefix;
    unsigned reg, rm, vvvv; /* rm: where mod is 3 */
    bool memory, sib;
    uint64_t address, stride; /* base and displacement; index, scaled */
    size_t length;
} Instruction;

static int32_t displacement(const unsigned char *at, size_t size)
{
    int32_t wide;
    if (size == 1) return (int8_t)*at;
    if (size == 0) return 0;
    memcpy(&wide, at, sizeof wide);
    return wide;
}

/* ModRM, SIB and displacement; x and b extend the index and the base. */
static void decode_operand(Instruction *in, const unsigned char *code, bool x, bool b,
                           const uint64_t general[16])
{
    const unsigned char *at = code + 4;
    unsigned modrm = *at++, mod = modrm >> 6, rm = modrm & 7;
    in->reg |= modrm >> 3 & 7;
    in->memory = mod != 3;
    in->rm = rm | (unsigned)b << 3;
    if (in->memory) {
        size_t size = mod == 1 ? 1 : mod == 2 ? 4 : 0;
        unsigned base = in->rm;
        bool based = true, next = false;
        in->sib = rm == 4;
        if (in->sib) {
            unsigned sib = *at++, index = (sib >> 3 & 7) | (unsigned)x << 3;
            base = (sib & 7) | (unsigned)b << 3;
            in->stride = index == 4 ? 0 : general[index] << (sib >> 6);
            based = mod != 0 || (sib & 7) != 5;
        } else if (mod == 0 && rm == 5) {
            based = false;
            next = true; /* counted from the next instruction */
        }
        if (!based) size = 4;
        in->address = (based ? general[base] : 0) + (uint64_t)(int64_t)displacement(at, size);
        at += size;
        if (next) in->address += (uint64_t)(uintptr_t)at;
    }
    in->length = (size_t)(at - code);
}

/* VEX.128 of map 0F38 with W0, which all of them are. */
static bool decode(Instruction *in, const unsigned char *code, const uint64_t general[16])
{
    if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || code[2] & 0x84) return false;
    *in = (Instruction){.opcode = code[3],
                        .prefix = (Prefix)(code[2] & 3),
                        .vvvv = ~(unsigned)code[2] >> 3 & 15,
                        .reg = code[1] & 0x80 ? 0 : 8};
    if (in->opcode != 0x49 && in->opcode != 0x4b && in->opcode != 0x5c && in->opcode != 0x5e)
        return false;
    decode_operand(in, code, !(code[1] & 0x40), !(code[1] & 0x20), general);
    return true;
}

/* ---- state ---- */

static unsigned row_bytes(const AmxState *state, unsigned tile)
{
    return state->config[16 + 2 * tile] | (unsigned)state->config[17 + 2 * tile] << 8;
}

static unsigned rows(const AmxState *state, unsigned tile) { return state->config[48 + tile]; }

static bool valid(const AmxState *state, unsigned tile)
{
    return tile < AMX_TILES && rows(state, tile) > 0;
}

static const char *load_config(AmxState *state, const void *from)
{
    AmxState loaded = {0};
    memcpy(loaded.config, from, sizeof loaded.config);
    const unsigned char *config = loaded.config;
    if (config[0] > 1) return "LDTILECFG: a palette other than 0 and 1";
    if (config[1] != 0) return "LDTILECFG: a start row, which is not emulated";
    for (size_t i = 2; i < AMX_CONFIG_BYTES; i++)
        if ((i < 16 || (i >= 32 && i < 48) || i >= 56) && config[i] != 0)
            return "LDTILECFG: a reserved byte is not zero";
    for (unsigned t = 0; t < AMX_TILES; t++) {
        if (row_bytes(&loaded, t) > AMX_ROW_BYTES) return "LDTILECFG: rows of more than 64 bytes";
        if (rows(&loaded, t) > AMX_ROWS) return "LDTILECFG: more than 16 rows";
        if (!row_bytes(&loaded, t) != !rows(&loaded, t)) return "LDTILECFG: rows without bytes";
    }
    if (config[0] == 0) loaded = (AmxState){0};
    *state = loaded;
    return NULL;
}

/* ---- instructions ---- */

static const char *move_tile(AmxState *state, const Instruction *in)
{
    const unsigned tile = in->reg;
    if (!in->memory || !in->sib || in->vvvv != 0 || in->prefix == NP)
        return "4B: not a form of TILELOADD, TILELOADDT1 or TILESTORED";
    if (!valid(state, tile)) return "a load or store of a tile that is not configured";
    unsigned char(*data)[AMX_ROW_BYTES] = state->tiles[tile];
    size_t bytes = row_bytes(state, tile);
    if (in->prefix != PF3) memset(data, 0, sizeof state->tiles[tile]);
    for (unsigned r = 0; r < rows(state, tile); r++) {
        void *memory = (void *)(uintptr_t)(in->address + r * in->stride);
        if (in->prefix == PF3)
            memcpy(memory, data[r], bytes);
        else
            memcpy(data[r], memory, bytes);
    }
    return NULL;
}

static const char *configure(AmxState *state, const Instruction *in)
{
    if (in->vvvv != 0) return "49: VEX.vvvv is in use";
    if (in->memory && in->prefix == NP && in->reg == 0)
        return load_config(state, (const void *)(uintptr_t)(in->address + in->stride));
    if (!in->memory && in->prefix == NP && in->reg == 0 && in->rm == 0) {
        *state = (AmxState){0};
        return NULL;
    }
    if (!in->memory && in->prefix == PF2 && in->rm == 0) {
        if (!valid(state, in->reg)) return "TILEZERO of a tile that is not configured";
        memset(state->tiles[in->reg], 0, sizeof state->tiles[in->reg]);
        return NULL;
    }
    return "49: not LDTILECFG, TILERELEASE or TILEZERO";
}

/* In assembler, so that they stay between the changes of MXCSR. */
static float fma_scalar(float a, float b, float c)
{
    __asm__ volatile("vfmadd231ss %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));
    return c;
}

static float add_scalar(float a, float b)
{
    __asm__ volatile("vaddss %1, %0, %0" : "+x"(a) : "x"(b));
    return a;
}

static float bf16_at(const unsigned char *row, unsigned element)
{
    uint32_t bits = (uint32_t)row[2 * element] << 16 | (uint32_t)row[2 * element + 1] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void multiply_bf16(AmxState *state, unsigned c, unsigned a, unsigned b)
{
    enum { ROUND_NEAREST_MASKED = 0x1f80, DAZ_AND_FTZ = 0x8040 };
    const unsigned before = _mm_getcsr(), columns = row_bytes(state, c) / 4;
    _mm_setcsr(ROUND_NEAREST_MASKED | DAZ_AND_FTZ);
    for (unsigned m = 0; m < rows(state, c); m++) {
        float chains[AMX_ROW_BYTES / 2] = {0};
        for (unsigned k = 0; k < row_bytes(state, a) / 4; k++)
            for (unsigned i = 0; i < 2 * columns; i++)
                chains[i] = fma_scalar(bf16_at(state->tiles[a][m], 2 * k + i % 2),
                                       bf16_at(state->tiles[b][k], i), chains[i]);
        for (unsigned n = 0; n < columns; n++) {
            float sum;
            memcpy(&sum, state->tiles[c][m] + 4 * n, sizeof sum);
            sum = add_scalar(sum, add_scalar(chains[2 * n], chains[2 * n + 1]));
            memcpy(state->tiles[c][m] + 4 * n, &sum, sizeof sum);
        }
    }
    _mm_setcsr(before);
}

/* Unsigned bytes of a, signed ones of b. */
static void multiply_int8(AmxState *state, unsigned c, unsigned a, unsigned b)
{
    for (unsigned m = 0; m < rows(state, c); m++)
        for (unsigned n = 0; n < row_bytes(state, c) / 4; n++) {
            uint32_t sum;
            memcpy(&sum, state->tiles[c][m] + 4 * n, sizeof sum);
            for (unsigned k = 0; k < row_bytes(state, a) / 4; k++)
                for (unsigned i = 0; i < 4; i++)
                    sum += (uint32_t)(state->tiles[a][m][4 * k + i] *
                                      (int8_t)state->tiles[b][k][4 * n + i]);
            memcpy(state->tiles[c][m] + 4 * n, &sum, sizeof sum);
        }
}

static const char *multiply(AmxState *state, const Instruction *in)
{
    const unsigned c = in->reg, a = in->rm, b = in->vvvv;
    const bool bf16 = in->opcode == 0x5c;
    if (in->memory || in->prefix != (bf16 ? PF3 : P66)) return "neither TDPBF16PS nor TDPBUSD";
    if (c == a || c == b || a == b) return "a multiplication of a tile by itself";
    if (!valid(state, c) || !valid(state, a) || !valid(state, b))
        return "a multiplication of tiles that are not configured";
    if (row_bytes(state, c) % 4 || row_bytes(state, a) % 4 || row_bytes(state, b) % 4)
        return "a multiplication of rows that are no words";
    if (rows(state, c) != rows(state, a) || row_bytes(state, c) != row_bytes(state, b) ||
        row_bytes(state, a) / 4 != rows(state, b))
        return "a multiplication of tiles whose shapes do not match";
    if (bf16)
        multiply_bf16(state, c, a, b);
    else
        multiply_int8(state, c, a, b);
    return NULL;
}

size_t amx_execute(AmxState *state, const unsigned char *code, const uint64_t general[16],
                   const char **fault)
{
    Instruction in;
    *fault = NULL;
    if (!decode(&in, code, general)) return 0;
    *fault = in.opcode == 0x49   ? configure(state, &in)
             : in.opcode == 0x4b ? move_tile(state, &in)
                                 : multiply(state, &in);
    return in.length;
}

/* ---- SIGILL ---- */

static _Thread_local AmxState thread_state;
static atomic_ulong executed;

/* The configuration in the state that the system saved at the signal, if the processor holds one: byte
 * 512 starts the header of XSAVE, component 17 is TILECFG. */
static void take_saved_config(const ucontext_t *context)
{
    enum { MAGIC_AT = 464, MAGIC = 0x46505853, HEADER = 512, TILECFG = 17 };
    const unsigned char *saved = (const unsigned char *)context->uc_mcontext.fpregs;
    unsigned size, offset, ecx, edx;
    uint32_t magic;
    uint64_t present;
    memcpy(&magic, saved + MAGIC_AT, sizeof magic);
    memcpy(&present, saved + HEADER, sizeof present);
    if (magic != MAGIC || !(present >> TILECFG & 1)) return;
    __cpuid_count(0xd, TILECFG, size, offset, ecx, edx);
    if (size != AMX_CONFIG_BYTES || memcmp(saved + offset, thread_state.config, size) == 0) return;
    load_config(&thread_state, saved + offset);
}

static void on_illegal(int signal_number, siginfo_t *info, void *opaque)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    ucontext_t *context = opaque;
    uint64_t general[16];
    const char *fault;
    (void)info;
    for (int i = 0; i < 16; i++) general[i] = (uint64_t)context->uc_mcontext.gregs[order[i]];
    take_saved_config(context);
    const void *code = (const void *)(uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    size_t length = amx_execute(&thread_state, code, general, &fault);
    if (length == 0) {
        signal(signal_number, SIG_DFL); /* and the instruction is met again */
        return;
    }
    if (fault) {
        static const char text[] = "\nAMX emulator: ";
        ssize_t ignored = write(2, text, sizeof text - 1);
        ignored += write(2, fault, strlen(fault));
        ignored += write(2, "\n", 1);
        _exit(ignored ? 3 : 4);
    }
    atomic_fetch_add_explicit(&executed, 1, memory_order_relaxed);
    context->uc_mcontext.gregs[REG_RIP] += (greg_t)length;
}

void amx_emulator_install(void)
{
    struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
}

unsigned long amx_emulator_count(void)
{
    return atomic_load_explicit(&executed, memory_order_relaxed);
}

#endif
