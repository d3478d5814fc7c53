/*
 * fuzz_proxy.c - libFuzzer on the header of the PROXY protocol.
 *
 * A fault is a crash, an outcome that depends on how much has come, a header that is longer than what came or than
 * the protocol allows, or one that is not the same when we write it again.
 */
#include <stddef.h>
#include <stdint.h>

#include "fuzz/fuzz.h"
#include "path/proxy.h"

#define V1_MOST 107
#define V2_MOST (16 + 65535)

static int parse(const uint8_t *data, size_t len, struct proxy_header *out)
{
    char *copy = fuzz_copy(data, len);
    int result = proxy_parse(copy, len, out);
    free(copy);
    demand(result >= PROXY_BAD && result <= (int)len);
    return result;
}

static void check_address(const union proxy_address *a)
{
    demand(a->any.sa_family == AF_INET || a->any.sa_family == AF_INET6);
}

static int is_same(const union proxy_address *a, const union proxy_address *b)
{
    if (a->any.sa_family == AF_INET)
        return memcmp(&a->v4.sin_addr, &b->v4.sin_addr, 4) == 0 && a->v4.sin_port == b->v4.sin_port;
    return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0 && a->v6.sin6_port == b->v6.sin6_port;
}

/* What we would tell a replica of it says the same. */
static void write_again(const struct proxy_header *h)
{
    char bytes[PROXY_WRITE_MAX];
    struct proxy_header again;
    size_t len = proxy_write(h->kind == PROXY_KNOWN ? &h->from.any : NULL, &h->to.any, bytes);
    demand(proxy_parse(bytes, len, &again) == (int)len);
    demand(h->kind == PROXY_KNOWN ? again.kind == PROXY_KNOWN : again.kind == PROXY_UNKNOWN);
    if (h->kind == PROXY_KNOWN && again.from.any.sa_family == h->from.any.sa_family)
        demand(is_same(&h->from, &again.from) && is_same(&h->to, &again.to));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole, part;
    int result = parse(data, size, &whole);
    if (result > 0) {
        demand(result <= (data[0] == 'P' ? V1_MOST : V2_MOST));
        if (whole.kind == PROXY_KNOWN) {
            check_address(&whole.from);
            check_address(&whole.to);
            demand(whole.from.any.sa_family == whole.to.any.sa_family);
        }
        write_again(&whole);
    }
    /* Nothing is decided sooner and otherwise: good only with its last byte, bad for ever. */
    size_t step = size > 64 ? size / 32 : 1;
    for (size_t len = 0; len < size; len += step) {
        int early = parse(data, len, &part);
        if (early == PROXY_BAD)
            demand(result == PROXY_BAD);
        else if (early > 0)
            demand(early == result && memcmp(&part, &whole, sizeof part) == 0);
        else
            demand(result <= 0 || (size_t)result > len);
    }
    return 0;
}
