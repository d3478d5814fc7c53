/*
 * chunk.h - the chunked transfer coding: bytes -> data, and data -> chunks. Pure.
 *
 * Owns     the decoder's position.
 * Used by  relay.c, exchange.c (bodies of control calls).
 * Thread   any.
 *
 * Strict: CRLF everywhere, sizes are hex digits only and fit 63 bits, extensions are checked and dropped,
 * trailers are checked and dropped (RFC 9112, 7.1).
 */
#ifndef PATH_CHUNK_H
#define PATH_CHUNK_H

#include <stddef.h>
#include <stdint.h>

struct chunk {
    uint8_t state;
    uint8_t digits;
    uint32_t line; /* bytes of the size line, or of all trailers, so far */
    uint64_t left; /* data bytes of the current chunk still to come */
};

enum chunk_result {
    CHUNK_BAD = -1, /* malformed: the connection can't be used */
    CHUNK_MORE = 0, /* everything was taken, more is to come */
    CHUNK_DATA = 1, /* *data .. + *data_len is a piece of the body */
    CHUNK_END = 2,  /* the body is over; bytes after *used belong to the next message */
};

void chunk_start(struct chunk *c);

/* Takes from bytes[0 .. len); *used says how much, data included. Returns at the first piece of data, at
 * the end, or when all was taken. Size lines are at most 1,024 bytes, trailers at most 8,192 together. */
enum chunk_result chunk_decode(struct chunk *c, const char *bytes, size_t len, size_t *used,
                               const char **data, size_t *data_len);

/* Bytes needed around n bytes of data at most: size line and closing CRLF. */
#define CHUNK_OVERHEAD 20
#define CHUNK_LAST     "0\r\n\r\n"

/* Writes "HEX\r\n" for n data bytes (n > 0) to out (room for CHUNK_OVERHEAD), returns its length. The data
 * and "\r\n" follow. */
size_t chunk_write_size(char *out, uint64_t n);

#endif
