/*
 * octet.c - what each byte may be, by RFC 9110 and RFC 3986.
 *
 * Owns     the table of classes.
 * Used by  head.c, head_fields.c, authority.c, chunk.c, key.c, route.c.
 * Thread   any; constants.
 */
#include "path/octet.h"

#define T OCTET_TOKEN
#define V OCTET_VALUE
#define R OCTET_TARGET
#define N OCTET_NAME
#define H OCTET_HEX

/* Whatever is not named here is of no class: controls and DEL. */
const uint8_t octet_classes[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | V | R | N,
    ['"'] = V | R,
    ['#'] = T | V,
    ['$'] = T | V | R | N,
    ['%'] = T | V | R,
    ['&'] = T | V | R | N,
    ['\''] = T | V | R | N,
    ['('] = V | R | N,
    [')'] = V | R | N,
    ['*'] = T | V | R | N,
    ['+'] = T | V | R | N,
    [','] = V | R | N,
    ['-'] = T | V | R | N,
    ['.'] = T | V | R | N,
    ['/'] = V | R,
    ['0' ... '9'] = T | V | R | N | H,
    [':'] = V | R,
    [';'] = V | R | N,
    ['<'] = V | R,
    ['='] = V | R | N,
    ['>'] = V | R,
    ['?'] = V | R,
    ['@'] = V | R,
    ['A' ... 'F'] = T | V | R | N | H,
    ['G' ... 'Z'] = T | V | R | N,
    ['['] = V | R,
    ['\\'] = V | R,
    [']'] = V | R,
    ['^'] = T | V | R,
    ['_'] = T | V | R | N,
    ['`'] = T | V | R,
    ['a' ... 'f'] = T | V | R | N | H,
    ['g' ... 'z'] = T | V | R | N,
    ['{'] = V | R,
    ['|'] = T | V | R,
    ['}'] = V | R,
    ['~'] = T | V | R | N,
    [0x80 ... 0xff] = V,
};
