/*
 * fuzz_chunk.c - libFuzzer on the decoder of the chunked coding.
 *
 * The first octet says how long the pieces are in which the rest is fed. A fault is a crash, an outcome that
 * depends on the pieces, or progress that does not add up.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz/fuzz.h"
#include "path/chunk.h"

struct outcome {
    enum chunk_result result;
    size_t used, data_len;
    uint64_t digest; /* of the data */
};

static void take_piece(struct chunk *c, const char *bytes, size_t len, struct outcome *out)
{
    char *copy = fuzz_copy(bytes, len);
    size_t at = 0;
    do {
        size_t used = 0, data_len = 0;
        const char *data = NULL;
        out->result = chunk_decode(c, copy + at, len - at, &used, &data, &data_len);
        demand(used <= len - at);
        demand(out->result != CHUNK_MORE || used == len - at);
        if (out->result == CHUNK_DATA) {
            demand(data_len > 0 && data >= copy + at && data + data_len == copy + at + used);
            for (size_t i = 0; i < data_len; i++)
                out->digest = (out->digest ^ (uint8_t)data[i]) * 0x100000001b3ull;
            out->data_len += data_len;
        }
        at += used;
    } while (out->result == CHUNK_DATA);
    out->used += at;
    free(copy);
}

static struct outcome decode(const char *bytes, size_t len, size_t piece)
{
    struct outcome out = { .result = CHUNK_MORE };
    struct chunk c;
    chunk_start(&c);
    for (size_t at = 0; at < len && out.result == CHUNK_MORE; at += piece)
        take_piece(&c, bytes + at, len - at < piece ? len - at : piece, &out);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 1;
    struct outcome whole = decode(bytes, size - 1, size - 1),
                   pieces = decode(bytes, size - 1, (size_t)data[0] + 1);
    demand(whole.result == pieces.result && whole.used == pieces.used);
    demand(whole.data_len == pieces.data_len && whole.digest == pieces.digest);
    demand(whole.data_len <= whole.used);
    return 0;
}
