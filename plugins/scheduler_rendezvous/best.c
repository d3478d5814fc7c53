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

/* Four scores at a time do not wait for each other, and one comparison sees whether any of them matters: that is seldom,
 * some ln n times. */
struct best best_one_by_one(const uint64_t *seeds, uint32_t n, uint64_t hash)
{
    struct best best = { .score = lb_mix64(hash ^ seeds[0]) };
    uint32_t i = 1;

    for (; i + 4 <= n; i += 4) {
        uint64_t a = lb_mix64(hash ^ seeds[i]), b = lb_mix64(hash ^ seeds[i + 1]);
        uint64_t c = lb_mix64(hash ^ seeds[i + 2]), d = lb_mix64(hash ^ seeds[i + 3]);
        uint64_t one = b > a ? b : a, other = d > c ? d : c, most = other > one ? other : one;

        if (__builtin_expect(most > best.score, 0))
            best = (struct best){ .score = most,
                                  .at = i + (most == a   ? 0
                                             : most == b ? 1
                                             : most == c ? 2
                                                         : 3) };
    }
    for (; i < n; i++) {
        uint64_t score = lb_mix64(hash ^ seeds[i]);

        if (score > best.score)
            best = (struct best){ .score = score, .at = i };
    }
    return best;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define FIRST_FACTOR  0xbf58476d1ce4e5b9ull /* lb_mix64's */
#define SECOND_FACTOR 0x94d049bb133111ebull

/* The lanes of a way begin at seeds 0, 1, 2, …, and each keeps the first of its largest. Here they are compared, and the
 * seeds from `from` on that filled no more lanes are looked at. */
static inline struct best best_of_lanes(const uint64_t *scores, const uint64_t *places, unsigned lanes,
                                        const uint64_t *seeds, uint32_t from, uint32_t n, uint64_t hash)
{
    struct best best = { .score = scores[0], .at = (uint32_t)places[0] };

    for (unsigned lane = 1; lane < lanes; lane++)
        best = better(best, (struct best){ .score = scores[lane], .at = (uint32_t)places[lane] });
    for (uint32_t i = from; i < n; i++)
        best = better(best, (struct best){ .score = lb_mix64(hash ^ seeds[i]), .at = i });
    return best;
}

/* ------------------------------------------------------------------ AVX-512 */

/* The address sanitizer's stand-in for the stack is aligned to less than a vector of 64 bytes wants. */
#define WIDE __attribute__((target("avx512f,avx512dq"), no_sanitize_address))

WIDE static inline __m512i mix_eight(__m512i x)
{
    x = _mm512_xor_si512(x, _mm512_srli_epi64(x, 30));
    x = _mm512_mullo_epi64(x, _mm512_set1_epi64((long long)FIRST_FACTOR));
    x = _mm512_xor_si512(x, _mm512_srli_epi64(x, 27));
    x = _mm512_mullo_epi64(x, _mm512_set1_epi64((long long)SECOND_FACTOR));
    return _mm512_xor_si512(x, _mm512_srli_epi64(x, 31));
}

WIDE static struct best best_of_eight(const uint64_t *seeds, uint32_t n, uint64_t hash)
{
    const __m512i key = _mm512_set1_epi64((long long)hash), step = _mm512_set1_epi64(8);
    __m512i at = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), best_at = at, best_score;
    uint64_t scores[8], places[8];
    uint32_t i = 8;

    if (n < 16)
        return best_one_by_one(seeds, n, hash);
    best_score = mix_eight(_mm512_xor_si512(_mm512_loadu_si512(seeds), key));
    for (; i + 8 <= n; i += 8) {
        __m512i score = mix_eight(_mm512_xor_si512(_mm512_loadu_si512(seeds + i), key));
        __mmask8 higher = _mm512_cmpgt_epu64_mask(score, best_score);

        at = _mm512_add_epi64(at, step);
        best_score = _mm512_mask_mov_epi64(best_score, higher, score);
        best_at = _mm512_mask_mov_epi64(best_at, higher, at);
    }
    _mm512_storeu_si512(scores, best_score);
    _mm512_storeu_si512(places, best_at);
    return best_of_lanes(scores, places, 8, seeds, i, n, hash);
}

/* ------------------------------------------------------------------ AVX2 */

#define NARROW __attribute__((target("avx2")))

/* x times a constant, of which the low 64 bits stay: low * low, and the two crosswise products 32 bits higher. */
NARROW static inline __m256i times(__m256i x, uint64_t factor)
{
    const __m256i low = _mm256_set1_epi64x((long long)factor),
                  high = _mm256_set1_epi64x((long long)(factor >> 32));
    __m256i cross =
        _mm256_add_epi64(_mm256_mul_epu32(x, high), _mm256_mul_epu32(_mm256_srli_epi64(x, 32), low));

    return _mm256_add_epi64(_mm256_mul_epu32(x, low), _mm256_slli_epi64(cross, 32));
}

NARROW static inline __m256i mix_four(__m256i x)
{
    x = times(_mm256_xor_si256(x, _mm256_srli_epi64(x, 30)), FIRST_FACTOR);
    x = times(_mm256_xor_si256(x, _mm256_srli_epi64(x, 27)), SECOND_FACTOR);
    return _mm256_xor_si256(x, _mm256_srli_epi64(x, 31));
}

/* Comparisons are of signed numbers only: with the highest bit turned over they give the order of unsigned ones. */
NARROW static inline __m256i score_four(const uint64_t *seeds, __m256i key)
{
    const __m256i sign = _mm256_set1_epi64x((long long)(1ull << 63));

    return _mm256_xor_si256(mix_four(_mm256_xor_si256(_mm256_loadu_si256((const __m256i *)seeds), key)),
                            sign);
}

NARROW static struct best best_of_four(const uint64_t *seeds, uint32_t n, uint64_t hash)
{
    const __m256i key = _mm256_set1_epi64x((long long)hash), step = _mm256_set1_epi64x(4);
    __m256i at = _mm256_set_epi64x(3, 2, 1, 0), best_at = at, best_score;
    uint64_t scores[4], places[4];
    uint32_t i = 4;

    if (n < 8)
        return best_one_by_one(seeds, n, hash);
    best_score = score_four(seeds, key);
    for (; i + 4 <= n; i += 4) {
        __m256i score = score_four(seeds + i, key), higher = _mm256_cmpgt_epi64(score, best_score);

        at = _mm256_add_epi64(at, step);
        best_score = _mm256_blendv_epi8(best_score, score, higher);
        best_at = _mm256_blendv_epi8(best_at, at, higher);
    }
    _mm256_storeu_si256((__m256i *)scores, best_score);
    _mm256_storeu_si256((__m256i *)places, best_at);
    for (unsigned lane = 0; lane < 4; lane++)
        scores[lane] ^= 1ull << 63;
    return best_of_lanes(scores, places, 4, seeds, i, n, hash);
}

best_fn best_way(unsigned lanes)
{
    __builtin_cpu_init();
    if (lanes >= 8 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        return best_of_eight;
    return lanes >= 4 && __builtin_cpu_supports("avx2") ? best_of_four : best_one_by_one;
}

#else

best_fn best_way(unsigned lanes)
{
    (void)lanes;
    return best_one_by_one;
}

#endif
