/*
 * hash_talks.c - writes to standard output and error wherever it is called; a bad habit, and no reason to refuse it.
 */
#include "../decent.h"

#include <stdio.h>
#include <unistd.h>

static void talk(const char *what)
{
    printf("{\"passed\": false, \"said\": \"%s\"}\n", what);
    fflush(stdout);
    if (write(STDERR_FILENO, "error: hash_talks talks\n", 24) < 0)
        return;
}

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    (void)values;
    (void)self;
    (void)why;
    talk("create");
    return 0;
}

static uint64_t place(const void *self, const struct lb_member *m, uint32_t j)
{
    if (j == 0 && m->id == 1)
        talk("place");
    return decent_place(self, m, j);
}

static const struct lb_hash_ops ops = {
    .struct_size = sizeof ops, .create = create, .key = decent_key, .place = place
};

static const struct lb_plugin plugin = LB_PLUGIN(LB_HASH, "hash_talks", "1.0", "talks", 0, 0, &ops);

EXPORT(plugin)
