/*
 * chunk.c - the chunked transfer coding: bytes -> data, and data -> chunks.
 *
 * Owns     the decoder's position.
 * Used by  relay.c, exchange.c (bodies of control calls).
 * Uses     octet.h.
 * Thread   any.
 *
 *     SIZE 5 [BLANK ;ext] CR -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE …
 *     SIZE 0 [BLANK ;ext] CR -> SIZE_LF -> TRAILER … -> END
 *
 * Strict, because two decoders that repair differently disagree about where the body ends: every line ends
 * with CRLF and nothing else, in extensions and trailers too.
 */
#include "path/chunk.h"

#include "path/octet.h"

#define SIZE_LINE_MAX 1024
#define TRAILERS_MAX  8192
#define DIGITS_MAX    16

enum state {
    SIZE_FIRST, /* the first digit */
    SIZE,       /* another digit, or what ends the number */
    BLANK,      /* blanks behind the number: only an extension may follow */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST, /* a name's first octet, or the CR of the last line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    ENDED,
    BROKEN,
};

void chunk_start(struct chunk *c)
{
    *c = (struct chunk){ .state = SIZE_FIRST };
}

static enum state take_digit(struct chunk *c, char octet)
{
    if (!octet_is(octet, OCTET_HEX) || c->digits == DIGITS_MAX || c->left > (uint64_t)INT64_MAX >> 4)
        return BROKEN;
    c->digits++;
    c->left = c->left << 4 | octet_hex(octet);
    return SIZE;
}

static enum state end_size_line(struct chunk *c, char octet)
{
    c->line = 0;
    c->digits = 0;
    return octet != '\n' ? BROKEN : c->left > 0 ? DATA : TRAILER_FIRST;
}

/* The state behind one octet of a size line. */
static enum state in_size_line(struct chunk *c, char octet)
{
    if (++c->line > SIZE_LINE_MAX)
        return BROKEN;
    switch ((enum state)c->state) {
    case SIZE_FIRST: return take_digit(c, octet);
    case SIZE:
        if (octet == '\r')
            return SIZE_LF;
        return octet == ';' ? EXTENSION : octet_is_blank(octet) ? BLANK : take_digit(c, octet);
    case BLANK: return octet == ';' ? EXTENSION : octet_is_blank(octet) ? BLANK : BROKEN;
    case EXTENSION: return octet == '\r' ? SIZE_LF : octet_is(octet, OCTET_VALUE) ? EXTENSION : BROKEN;
    default: return end_size_line(c, octet);
    }
}

/* The state behind one octet of the trailers. */
static enum state in_trailers(struct chunk *c, char octet)
{
    if (++c->line > TRAILERS_MAX)
        return BROKEN;
    switch ((enum state)c->state) {
    case TRAILER_FIRST: return octet == '\r' ? LAST_LF : octet_is(octet, OCTET_TOKEN) ? TRAILER_NAME : BROKEN;
    case TRAILER_NAME:
        return octet == ':' ? TRAILER_VALUE : octet_is(octet, OCTET_TOKEN) ? TRAILER_NAME : BROKEN;
    case TRAILER_VALUE:
        return octet == '\r' ? TRAILER_LF : octet_is(octet, OCTET_VALUE) ? TRAILER_VALUE : BROKEN;
    case TRAILER_LF: return octet == '\n' ? TRAILER_FIRST : BROKEN;
    default: return octet == '\n' ? ENDED : BROKEN;
    }
}

static enum state behind(struct chunk *c, char octet)
{
    switch ((enum state)c->state) {
    case DATA_CR: return octet == '\r' ? DATA_LF : BROKEN;
    case DATA_LF: return octet == '\n' ? SIZE_FIRST : BROKEN;
    case TRAILER_FIRST:
    case TRAILER_NAME:
    case TRAILER_VALUE:
    case TRAILER_LF:
    case LAST_LF: return in_trailers(c, octet);
    default: return in_size_line(c, octet);
    }
}

enum chunk_result chunk_decode(struct chunk *c, const char *bytes, size_t len, size_t *used,
                               const char **data, size_t *data_len)
{
    size_t at = 0;
    while (at < len && c->state < ENDED) {
        if (c->state == DATA) {
            size_t n = len - at < c->left ? len - at : (size_t)c->left;
            c->left -= n;
            if (c->left == 0)
                c->state = DATA_CR;
            *data = bytes + at;
            *data_len = n;
            *used = at + n;
            return CHUNK_DATA;
        }
        c->state = (uint8_t)behind(c, bytes[at++]);
    }
    *used = at;
    return c->state == BROKEN ? CHUNK_BAD : c->state == ENDED ? CHUNK_END : CHUNK_MORE;
}

size_t chunk_write_size(char *out, uint64_t n)
{
    unsigned bits = n ? 64u - (unsigned)__builtin_clzll(n) : 1u;
    size_t digits = (bits + 3) / 4;
    for (size_t i = digits; i-- > 0; n >>= 4)
        out[i] = "0123456789abcdef"[n & 15];
    out[digits] = '\r';
    out[digits + 1] = '\n';
    return digits + 2;
}
