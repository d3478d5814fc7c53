/*
 * best.c - the largest of many hashes: see best.h.
 *
 * Owns     nothing.
 * Used by  scheduler_rendezvous.c.
 * Thread   any.
 */
#include "best.h"

static inline struct best better(struct best a, struct best b)
{
    return b.score > a.score || (b.score == a.score && b.at < a.at) ? b : a;
}

struct best best_one_by_one(const uint64_t *seeds, uint32_t n, uint64_t hash)
{
    struct best best = { .score = lb_mix64(hash ^ seeds[0]) };

    for (uint32_t i = 1; i < n; i++) {
        uint64_t score = lb_mix64(hash ^ seeds[i]);

        if (score > best.score)
            best = (struct best){ .score = score, .at = i };
    }
    return best;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define LANES 8u

/* The address sanitizer's stand-in for the stack is aligned to less than a vector of 64 bytes wants. */
#define VECTORS __attribute__((target("avx512f,avx512dq"), no_sanitize_address))

VECTORS static inline __m512i mix_lanes(__m512i x)
{
    x = _mm512_xor_si512(x, _mm512_srli_epi64(x, 30));
    x = _mm512_mullo_epi64(x, _mm512_set1_epi64((long long)0xbf58476d1ce4e5b9ull));
    x = _mm512_xor_si512(x, _mm512_srli_epi64(x, 27));
    x = _mm512_mullo_epi64(x, _mm512_set1_epi64((long long)0x94d049bb133111ebull));
    return _mm512_xor_si512(x, _mm512_srli_epi64(x, 31));
}

/* Lane l looks at seeds l, l + 8, l + 16, …, and keeps its first largest; then the lanes are compared. */
VECTORS static struct best best_of_lanes(const uint64_t *seeds, uint32_t n, uint64_t hash)
{
    const __m512i key = _mm512_set1_epi64((long long)hash), step = _mm512_set1_epi64(LANES);
    __m512i at = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), best_at = at, best_score;
    uint64_t scores[LANES], places[LANES];
    struct best best;
    uint32_t i = LANES;

    if (n < 2 * LANES)
        return best_one_by_one(seeds, n, hash);
    best_score = mix_lanes(_mm512_xor_si512(_mm512_loadu_si512(seeds), key));
    for (; i + LANES <= n; i += LANES) {
        __m512i score = mix_lanes(_mm512_xor_si512(_mm512_loadu_si512(seeds + i), key));
        __mmask8 higher = _mm512_cmpgt_epu64_mask(score, best_score);

        at = _mm512_add_epi64(at, step);
        best_score = _mm512_mask_mov_epi64(best_score, higher, score);
        best_at = _mm512_mask_mov_epi64(best_at, higher, at);
    }
    _mm512_storeu_si512(scores, best_score);
    _mm512_storeu_si512(places, best_at);
    best = (struct best){ .score = scores[0], .at = (uint32_t)places[0] };
    for (unsigned lane = 1; lane < LANES; lane++)
        best = better(best, (struct best){ .score = scores[lane], .at = (uint32_t)places[lane] });
    for (; i < n; i++)
        best = better(best, (struct best){ .score = lb_mix64(hash ^ seeds[i]), .at = i });
    return best;
}

best_fn best_way(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") ? best_of_lanes
                                                                                   : best_one_by_one;
}

#else

best_fn best_way(void)
{
    return best_one_by_one;
}

#endif
