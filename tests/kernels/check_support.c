/* Values, guarded memory and comparison of checkkernels. */
#include "checkkernels.h"

#include "amx_emulator.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOT_BYTES = 16 << 20, PAGE = 4096, MARGIN = 256, MAX_SHIFT = 16, MAX_MESSAGES = 20 };

static const uint32_t input_canary = 0x7fc5a5a5u;  /* a NaN */
static const uint32_t output_canary = 0xdeadbeefu; /* about -6.3e18 */

const char *const ck_values_name[CK_NUM_VALUES] = {"normal", "huge", "tiny",   "denormal",
                                                   "zero",   "wide", "special"};

static Ck *current; /* for the handler of faults */

static void on_fault(int signal_number)
{
    (void)signal_number;
    static const char text[] = "\nFAULT (read or write outside a buffer) in: ";
    ssize_t ignored = write(2, text, sizeof text - 1);
    ignored += write(2, current->where, strlen(current->where));
    ignored += write(2, "\n", 1);
    _exit(ignored ? 3 : 4);
}

/* amx in software where the processor lacks it, or on demand, if it has what else that level uses. */
static void add_levels(Ck *ck, bool emulate)
{
    for (int isa = 0; isa < SU_ISA_COUNT; isa++)
        if (!(emulate && isa == SU_ISA_AMX) && su_isa_available((SuIsa)isa))
            su_kernels_init(&ck->tested[ck->num_tested++], (SuIsa)isa);
#if defined(__x86_64__)
    bool native = ck->tested[ck->num_tested - 1].isa == SU_ISA_AMX;
    if (native || !su_isa_available(SU_ISA_AVX512BF16)) return;
    amx_emulator_install();
    su_kernels_init(&ck->tested[ck->num_tested++], SU_ISA_AMX);
    ck->emulated = true;
#endif
}

void ck_open(Ck *ck, uint64_t seed, bool emulate)
{
    *ck = (Ck){.random = seed * 2 + 1};
    su_kernels_init(&ck->ref, SU_ISA_SCALAR);
    add_levels(ck, emulate);
    for (int i = 0; i < CK_SLOTS; i++) {
        void *memory = mmap(NULL, SLOT_BYTES + PAGE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED || mprotect((char *)memory + SLOT_BYTES, PAGE, PROT_NONE) != 0) {
            perror("checkkernels: mmap");
            exit(2);
        }
        ck->buffers[i].memory = memory;
    }
    current = ck;
    struct sigaction action = {.sa_handler = on_fault};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

void ck_close(Ck *ck)
{
    for (int i = 0; i < CK_SLOTS; i++) munmap(ck->buffers[i].memory, SLOT_BYTES + PAGE);
}

void ck_case(Ck *ck, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(ck->where, sizeof ck->where, format, list);
    va_end(list);
}

void ck_fail(Ck *ck, const char *format, ...)
{
    if (ck->failures++ >= MAX_MESSAGES) return;
    va_list list;
    va_start(list, format);
    fprintf(stderr, "FAIL %s: ", ck->where);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

uint32_t ck_random(Ck *ck)
{
    /* splitmix64 */
    uint64_t z = ck->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

size_t ck_between(Ck *ck, size_t low, size_t high)
{
    return low + ck_random(ck) % (high - low + 1);
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float ordinary(Ck *ck)
{
    float x = (float)(int32_t)ck_random(ck) * 0x1p-31f,
          y = (float)(int32_t)ck_random(ck) * 0x1p-31f;
    return x + y + x * y;
}

static float one_value(Ck *ck, CkValues values)
{
    uint32_t bits = ck_random(ck);
    switch (values) {
    case CK_NORMAL:
        return ordinary(ck);
    case CK_HUGE:
        return ordinary(ck) * 1.1e38f;
    case CK_TINY:
        return ordinary(ck) * 1e-30f;
    case CK_DENORMAL:
        return from_bits(bits & 0x807fffffu);
    case CK_ZERO:
        return bits % 16 == 0 ? ordinary(ck) : bits & 0x80000000u ? -0.0f : 0.0f;
    case CK_WIDE:
        return isfinite(from_bits(bits)) ? from_bits(bits) : 1.0f;
    case CK_SPECIAL:
        switch (bits % 128) {
        case 0:
            return NAN;
        case 1:
            return INFINITY;
        case 2:
            return -INFINITY;
        default:
            return ordinary(ck);
        }
    case CK_NUM_VALUES:
        break;
    }
    return 0.0f;
}

void ck_fill(Ck *ck, CkValues values, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = one_value(ck, values);
}

/* Canaries before the buffer and between its end and the page. */
static void write_canaries(CkBuffer *buffer, size_t shift)
{
    memset(buffer->begin - MARGIN, 0xa7, MARGIN);
    memset(buffer->begin + buffer->size, 0xa7, shift);
}

static void *place(Ck *ck, int slot, size_t size, size_t shift, uint32_t canary)
{
    CkBuffer *buffer = &ck->buffers[slot];
    if (size + MARGIN + MAX_SHIFT > SLOT_BYTES || shift >= MAX_SHIFT) {
        fprintf(stderr, "checkkernels: a buffer of %zu bytes does not fit (%s)\n", size, ck->where);
        exit(2);
    }
    buffer->begin = buffer->memory + SLOT_BYTES - shift - size;
    buffer->size = size;
    write_canaries(buffer, shift);
    size_t i = 0;
    for (; i + sizeof canary <= size; i += sizeof canary)
        memcpy(buffer->begin + i, &canary, sizeof canary);
    memcpy(buffer->begin + i, &canary, size - i);
    return buffer->begin;
}

void *ck_input(Ck *ck, int slot, size_t size, size_t shift)
{
    return place(ck, slot, size, shift, input_canary);
}

void *ck_output(Ck *ck, int slot, size_t size, size_t shift)
{
    return place(ck, slot, size, shift, output_canary);
}

void ck_check_canaries(Ck *ck)
{
    for (int i = 0; i < CK_SLOTS; i++) {
        const CkBuffer *buffer = &ck->buffers[i];
        if (!buffer->begin) continue;
        const unsigned char *end = buffer->memory + SLOT_BYTES;
        bool good = true;
        for (const unsigned char *p = buffer->begin - MARGIN; p < buffer->begin; p++)
            good = good && *p == 0xa7;
        for (const unsigned char *p = buffer->begin + buffer->size; p < end; p++)
            good = good && *p == 0xa7;
        if (!good) ck_fail(ck, "wrote outside buffer %d", i);
    }
}

bool ck_same(Ck *ck, const char *what, const float *got, const float *expected, size_t n)
{
    if (memcmp(got, expected, n * sizeof *got) == 0) return true;
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&got[i], &expected[i], sizeof *got) == 0) continue;
        if (isnan(got[i]) && isnan(expected[i])) continue;
        ck_fail(ck, "%s differs from plain C at element %zu of %zu: %a, expected %a", what, i, n,
                (double)got[i], (double)expected[i]);
        return false;
    }
    return true;
}

void ck_within(Ck *ck, double at, float got, long double exact, long double bound, double *worst)
{
    if (!isfinite(got) && !isfinite((float)exact)) return;
    long double error = fabsl((long double)got - exact);
    if (error == 0) return;
    if (!(error <= bound))
        ck_fail(ck, "plain C at %g (%a): %.9g, exactly %.12Lg: off by %.3Lg, bound %.3Lg", at, at,
                (double)got, exact, error, bound);
    double share = bound > 0 ? (double)(error / bound) : INFINITY;
    if (share > *worst) *worst = share;
}

void ck_report(const char *what, double worst)
{
    printf("    %-40s largest error %.3f of the bound\n", what, worst);
}
