/* search.c - a collection, block by block, past a group of queries.
 *
 * Threads claim blocks of documents, of which the operands stay in L2, and keep heaps of their own:
 * memory does not grow with the collection. At the end the heaps become one a query. */
#include "base/cpu_features.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "search/search_operands.h"
#include "search/top_heap.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum {
    BLOCK_BYTES = 192 << 10, /* of operands */
    MOST_BLOCK_ROWS = 1024,
    MOST_QUERIES = 256,   /* of a group */
    FEW_QUERIES = 16,     /* at most: by dots_f32 */
    COMPARED = 16,        /* scores that are looked at together */
    MOST_KEPT = 16 << 20, /* entries of heaps */
    MOST_HELD = 32 << 20, /* bytes of working memory, between two calls */
};

struct SutraSearch {
    SuKernels kernels;
    SuThreadPool *pool;
    uint32_t num_threads;
    pthread_mutex_t lock; /* one call at a time */
    SuArena memory;       /* of the calls */
};

/* What a thread works with. */
typedef struct Scan {
    void *room;      /* operands of a block, where they are not the rows themselves */
    float *scores;   /* [block rows, group] */
    float *least;    /* [group] what a score must reach */
    size_t *indices; /* [group, k], heaps */
    float *kept;     /* [group, k] */
} Scan;

typedef struct Group {
    SuOperands operands;
    const SutraRows *documents;
    size_t num_queries, k, block_rows; /* k: at most as many as there are documents */
    void *queries;                     /* operands [num_queries] */
    float *norms, *packed;
    Scan *scans;         /* of each thread */
    _Atomic size_t next; /* block */
} Group;

/* ---- one thread ---- */

static void offer_row(const Group *group, Scan *scan, size_t document, const float *scores)
{
    size_t k = group->k;
    for (size_t q = 0; q < group->num_queries; q += COMPARED) {
        size_t end = q + COMPARED < group->num_queries ? q + COMPARED : group->num_queries;
        int some = 0;
        for (size_t i = q; i < end; i++) some |= scores[i] >= scan->least[i];
        if (!some) continue;
        for (size_t i = q; i < end; i++) {
            if (!(scores[i] >= scan->least[i])) continue;
            su_top_offer(scan->indices + i * k, scan->kept + i * k, k, document, scores[i]);
            scan->least[i] = scan->kept[i * k];
        }
    }
}

/* The same of one query: scores of `count` documents from `first` on. */
static void offer_column(const Group *group, Scan *scan, size_t first, size_t count,
                         const float *scores)
{
    for (size_t d = 0; d < count; d += COMPARED) {
        size_t end = d + COMPARED < count ? d + COMPARED : count;
        int some = 0;
        for (size_t i = d; i < end; i++) some |= scores[i] >= scan->least[0];
        for (size_t i = d; some && i < end; i++) {
            su_top_offer(scan->indices, scan->kept, group->k, first + i, scores[i]);
            scan->least[0] = scan->kept[0];
        }
    }
}

static void scan_blocks(void *arg, uint32_t rank)
{
    Group *group = arg;
    const SuOperands *operands = &group->operands;
    Scan *scan = &group->scans[rank];
    const SutraRows *documents = group->documents;
    for (;;) {
        size_t first = atomic_fetch_add(&group->next, 1) * group->block_rows;
        if (first >= documents->count) return;
        size_t count = documents->count - first;
        if (count > group->block_rows) count = group->block_rows;
        const char *rows = (const char *)documents->data + first * operands->row_bytes;
        const void *block = su_operand_documents(operands, rows, count, scan->room);
        su_operand_scores(operands, block, count, group->queries, group->norms, group->packed,
                          group->num_queries, scan->scores);
        if (group->num_queries == 1) {
            offer_column(group, scan, first, count, scan->scores);
            continue;
        }
        for (size_t r = 0; r < count; r++)
            offer_row(group, scan, first + r, scan->scores + r * group->num_queries);
    }
}

/* ---- a group of queries ---- */

/* Memory for groups of so many queries; twice: measured, then carved. */
static void carve_group(Group *group, size_t most, uint32_t threads, SuArena *arena)
{
    size_t bytes = su_operand_bytes(&group->operands), k = group->k;
    size_t room = su_operand_in_place(&group->operands) ? 0 : group->block_rows * bytes;
    const SuGemm *gemm = &group->operands.kernels->gemm_f32;
    bool packs = group->operands.kind == SU_OPERAND_FLOATS && most > FEW_QUERIES;
    size_t packed = su_round_up(most, gemm->nr) * (group->operands.dim + 1) * sizeof(float);
    group->queries = su_arena_carve(arena, most * bytes);
    group->norms = su_arena_carve(arena, most * sizeof *group->norms);
    group->packed = packs ? su_arena_carve(arena, packed) : NULL;
    group->scans = su_arena_carve(arena, threads * sizeof *group->scans);
    for (uint32_t t = 0; t < threads; t++) {
        Scan scan = {.room = su_arena_carve(arena, room)};
        scan.scores = su_arena_carve(arena, group->block_rows * most * sizeof *scan.scores);
        scan.least = su_arena_carve(arena, most * sizeof *scan.least);
        scan.indices = su_arena_carve(arena, most * k * sizeof *scan.indices);
        scan.kept = su_arena_carve(arena, most * k * sizeof *scan.kept);
        if (group->scans) group->scans[t] = scan;
    }
}

static void hold_memory(SuArena *memory, size_t size)
{
    su_free_aligned(memory->base);
    memory->base = size ? su_alloc_aligned(size) : NULL;
    memory->size = memory->base ? size : 0;
}

static SutraStatus make_group(Group *group, size_t most, uint32_t threads, SuArena *memory,
                              SutraError *err)
{
    SuArena needed = {0};
    carve_group(group, most, threads, &needed);
    if (needed.used > memory->size) hold_memory(memory, needed.used);
    if (!memory->base) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a search");
    memory->used = 0;
    carve_group(group, most, threads, memory);
    return SUTRA_OK;
}

static void set_queries(Group *group, const SutraRows *queries, size_t first, uint32_t threads)
{
    size_t bytes = su_operand_bytes(&group->operands), dim = group->operands.dim;
    const SuGemm *gemm = &group->operands.kernels->gemm_f32;
    for (size_t q = 0; q < group->num_queries; q++)
        su_operand_query(&group->operands, queries, first + q, (char *)group->queries + q * bytes,
                         &group->norms[q]);
    if (group->packed) {
        size_t columns = su_round_up(group->num_queries, gemm->nr);
        const float *rows = group->queries;
        memset(group->packed, 0, columns * (dim + 1) * sizeof *group->packed);
        for (size_t q = 0; q < group->num_queries; q++)
            su_gemm_pack(gemm->layout, rows + q * dim, q, dim, group->packed, NULL, NULL);
    }
    for (uint32_t t = 0; t < threads; t++) {
        Scan *scan = &group->scans[t];
        su_top_clear(scan->indices, scan->kept, group->num_queries * group->k);
        for (size_t q = 0; q < group->num_queries; q++) scan->least[q] = -INFINITY;
    }
}

/* The group's results, `wanted` a query. */
static void merge(const Group *group, uint32_t threads, size_t wanted, size_t *indices,
                  float *scores)
{
    size_t k = group->k;
    for (size_t q = 0; q < group->num_queries; q++) {
        size_t *best = indices + q * wanted;
        float *score = scores + q * wanted;
        su_top_clear(best, score, wanted);
        for (uint32_t t = 0; t < threads; t++) {
            const Scan *scan = &group->scans[t];
            for (size_t i = q * k; i < (q + 1) * k; i++)
                if (scan->indices[i] != SIZE_MAX)
                    su_top_offer(best, score, k, scan->indices[i], scan->kept[i]);
        }
        su_top_sort(best, score, k);
    }
}

static size_t block_rows_of(const SuOperands *operands, size_t num_queries)
{
    /* What is read once need not stay in a cache: longer runs of memory. */
    if (num_queries <= FEW_QUERIES && operands->dtype == SUTRA_F32) return MOST_BLOCK_ROWS;
    size_t rows = BLOCK_BYTES / su_operand_bytes(operands) / COMPARED * COMPARED;
    return rows < COMPARED ? COMPARED : rows > MOST_BLOCK_ROWS ? MOST_BLOCK_ROWS : rows;
}

static SutraStatus search_all(SutraSearch *search, Group *group, const SutraRows *queries,
                              size_t wanted, size_t *indices, float *scores, SutraError *err)
{
    size_t most = queries->count < MOST_QUERIES ? queries->count : MOST_QUERIES;
    size_t blocks = (group->documents->count + group->block_rows - 1) / group->block_rows;
    uint32_t threads = search->num_threads;
    if (blocks < threads) threads = blocks ? (uint32_t)blocks : 1;
    while (most > 1 && most * threads > MOST_KEPT / group->k) most /= 2;
    SU_TRY(make_group(group, most, threads, &search->memory, err));
    for (size_t first = 0; first < queries->count; first += most) {
        group->num_queries = queries->count - first < most ? queries->count - first : most;
        set_queries(group, queries, first, threads);
        atomic_store(&group->next, 0);
        su_thread_pool_run_available(search->pool, threads, scan_blocks, group);
        merge(group, threads, wanted, indices + first * wanted, scores + first * wanted);
    }
    return SUTRA_OK;
}

static SutraStatus check_call(const SutraSearch *search, const SutraRows *queries,
                              const SutraRows *documents, size_t k, const size_t *indices,
                              const float *scores, SutraError *err)
{
    if (!search || !queries || !documents || !k || ((!indices || !scores) && queries->count))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "search: an argument is NULL or k is 0");
    return SUTRA_OK;
}

SutraStatus sutra_search_run(SutraSearch *search, SutraMetric metric, const SutraRows *queries,
                             const SutraRows *documents, size_t k, size_t *indices, float *scores,
                             SutraError *err)
{
    SU_TRY(check_call(search, queries, documents, k, indices, scores, err));
    size_t most = documents->count ? documents->count : 1;
    Group group = {.documents = documents, .k = k < most ? k : most};
    SU_TRY(su_operands_plan(&group.operands, &search->kernels, metric, queries, documents, err));
    group.block_rows = block_rows_of(&group.operands, queries->count);
    if (!queries->count) return SUTRA_OK;
    pthread_mutex_lock(&search->lock);
    SutraStatus status = search_all(search, &group, queries, k, indices, scores, err);
    if (search->memory.size > MOST_HELD) hold_memory(&search->memory, 0);
    pthread_mutex_unlock(&search->lock);
    return status;
}

/* ---- among candidates ---- */

/* A document after the other: there are few, and they lie anywhere. */
static SutraStatus rescore_query(const SuOperands *operands, const SutraRows *documents,
                                 const void *query, float norm, void *room,
                                 const size_t *candidates, size_t num_candidates, size_t k,
                                 size_t *indices, float *scores, SutraError *err)
{
    su_top_clear(indices, scores, k);
    for (size_t i = 0; candidates && i < num_candidates; i++) {
        float score;
        if (candidates[i] == SIZE_MAX) continue;
        if (candidates[i] >= documents->count)
            SU_RAISE(err, SUTRA_E_ARGUMENT, "search: candidate %zu, of %zu documents",
                     candidates[i], documents->count);
        const char *row = (const char *)documents->data + candidates[i] * operands->row_bytes;
        const void *document = su_operand_documents(operands, row, 1, room);
        su_operand_scores(operands, document, 1, query, &norm, NULL, 1, &score);
        su_top_offer(indices, scores, k, candidates[i], score);
    }
    su_top_sort(indices, scores, k);
    return SUTRA_OK;
}

SutraStatus sutra_search_rescore(SutraSearch *search, SutraMetric metric, const SutraRows *queries,
                                 const SutraRows *documents, const size_t *candidates,
                                 size_t num_candidates, size_t k, size_t *indices, float *scores,
                                 SutraError *err)
{
    SuOperands operands;
    SU_TRY(check_call(search, queries, documents, k, indices, scores, err));
    if (!candidates && num_candidates && queries->count)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "search: candidates is NULL");
    SU_TRY(su_operands_plan(&operands, &search->kernels, metric, queries, documents, err));
    size_t bytes = su_operand_bytes(&operands);
    char *room = su_alloc(2, bytes);
    if (!room) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a search");
    SutraStatus status = SUTRA_OK;
    for (size_t q = 0; q < queries->count && status == SUTRA_OK; q++) {
        float norm;
        su_operand_query(&operands, queries, q, room, &norm);
        status = rescore_query(&operands, documents, room, norm, room + bytes,
                               candidates + q * num_candidates, num_candidates, k, indices + q * k,
                               scores + q * k, err);
    }
    su_free(room);
    return status;
}

/* ---- the object ---- */

SutraStatus sutra_search_create(const SutraSearchOptions *options, SutraSearch **search,
                                SutraError *err)
{
    SuIsa isa;
    if (!search) SU_RAISE(err, SUTRA_E_ARGUMENT, "search is NULL");
    *search = NULL;
    if (options && options->struct_size < sizeof *options)
        SU_RAISE(err, SUTRA_E_ABI, "SutraSearchOptions.struct_size is %u", options->struct_size);
    uint32_t threads = options ? options->num_threads : 0;
    SU_TRY(su_isa_select(&isa, err));
    SutraSearch *made = su_alloc(1, sizeof *made);
    if (!made) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a search");
    *made = (SutraSearch){.num_threads = threads ? threads : su_cpu_count()};
    su_kernels_init(&made->kernels, isa);
    SutraStatus status = su_thread_pool_create(made->num_threads, &made->pool, err);
    if (status != SUTRA_OK) {
        su_free(made);
        return status;
    }
    pthread_mutex_init(&made->lock, NULL);
    *search = made;
    return SUTRA_OK;
}

void sutra_search_free(SutraSearch *search)
{
    if (!search) return;
    su_thread_pool_free(search->pool);
    pthread_mutex_destroy(&search->lock);
    su_free_aligned(search->memory.base);
    su_free(search);
}
