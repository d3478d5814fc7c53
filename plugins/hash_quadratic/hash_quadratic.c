/*
 * hash_quadratic.c - polynomials of degree two, their coefficients being options.
 *
 * Owns     the eight coefficients of an instance.
 * Used by  the balancer, through lb_plugin_entry.
 * Thread   any: an instance is never written after create.
 *
 * Source   the course assignment; polynomials as hashes: Carter and Wegman, "Universal classes of hash
 *          functions", 1979 (which want a prime modulus and random coefficients).
 * Gives    hashes that can be checked by hand.
 * Cost     two products: the cheapest hash here.
 * Not for  balance: squares reach few slots of a power of two, and neighbouring ids get neighbouring slots.
 *          Not for clients with ill will: anybody can solve an equation of degree two.
 *
 *   H(i)      = h_square i^2 + h_linear i + h_constant
 *   PHI(i, j) = place_i_square i^2 + place_i_linear i
 *             + place_j_square j^2 + place_j_linear j + place_constant
 *
 * The defaults are the course assignment's H(i) = i^2 + 2i + 17 and PHI(i, j) = i^2 + j^2 + 2j + 25. Two
 * other readings of its text are settings of the same polynomials: 2i^2 + i + 17 with 2j^2 + i + j + 25, and
 * 3i + 17 with i + 3j + 25. They teach; they do not balance: H(i) = (i + 1)^2 + 16 reaches 87 of 512 slots.
 *
 * Everything is computed modulo 2^64. On a ring whose size is a power of two that is the same as computing
 * exactly and reducing at the end, for ids of any size (an id may be a 64-bit hash of a name). On any other
 * ring it is exact as long as the polynomial stays below 2^64; above, the value is still a pure function of
 * the id, only not the textbook's.
 */
#include "lb_plugin.h"

#include <stdlib.h>
#include <string.h>

struct quadratic {
    uint64_t h_square, h_linear, h_constant;
    uint64_t place_i_square, place_i_linear, place_j_square, place_j_linear, place_constant;
};

#define COEFFICIENT(name_, dflt_, help_)                                                           \
    {                                                                                              \
        .name = name_, .type = LB_INT, .dflt = dflt_, .min = 0, .max = 4294967295.0, .help = help_ \
    }

static const struct lb_option options[] = {
    COEFFICIENT("h_square", "1", "H: the factor of i^2, a whole number"),
    COEFFICIENT("h_linear", "2", "H: the factor of i, a whole number"),
    COEFFICIENT("h_constant", "17", "H: what is added, a whole number"),
    COEFFICIENT("place_i_square", "1", "PHI: the factor of i^2, a whole number"),
    COEFFICIENT("place_i_linear", "0", "PHI: the factor of i, a whole number"),
    COEFFICIENT("place_j_square", "1", "PHI: the factor of j^2, a whole number"),
    COEFFICIENT("place_j_linear", "2", "PHI: the factor of j, a whole number"),
    COEFFICIENT("place_constant", "25", "PHI: what is added, a whole number"),
    { .name = NULL },
};

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    static const char no_memory[] = "no memory for eight coefficients";
    struct quadratic *q = malloc(sizeof *q);

    if (!q) {
        memcpy(why->text, no_memory, sizeof no_memory);
        return -1;
    }
    q->h_square = (uint64_t)values[0].i;
    q->h_linear = (uint64_t)values[1].i;
    q->h_constant = (uint64_t)values[2].i;
    q->place_i_square = (uint64_t)values[3].i;
    q->place_i_linear = (uint64_t)values[4].i;
    q->place_j_square = (uint64_t)values[5].i;
    q->place_j_linear = (uint64_t)values[6].i;
    q->place_constant = (uint64_t)values[7].i;
    *self = q;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static uint64_t hash_key(const void *self, const struct lb_key *key)
{
    const struct quadratic *q = self;
    uint64_t i = key->id;

    return q->h_square * i * i + q->h_linear * i + q->h_constant;
}

static uint64_t hash_place(const void *self, const struct lb_member *member, uint32_t copy)
{
    const struct quadratic *q = self;
    uint64_t i = member->id, j = copy;

    return q->place_i_square * i * i + q->place_i_linear * i + q->place_j_square * j * j +
           q->place_j_linear * j + q->place_constant;
}

static const struct lb_hash_ops ops = {
    .struct_size = sizeof ops, .create = create, .destroy = destroy, .key = hash_key, .place = hash_place
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_HASH, "hash_quadratic", "1.0", "polynomials of degree two; the assignment's by default", 0,
              options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
