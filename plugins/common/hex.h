/*
 * hex.h - hexadecimal digits in options. 64-bit and 128-bit numbers are written that way: lb.conf's
 * integers end at 2^63.
 *
 * Owns     nothing: pure functions.
 * Used by  hash_xxh3 (its seed), hash_siphash (its secret).
 * Thread   any.
 */
#ifndef PLUGINS_COMMON_HEX_H
#define PLUGINS_COMMON_HEX_H

#include <stdint.h>

/* The value of a digit, either case; 16 when it is none. */
static inline unsigned hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return (unsigned)(digit - '0');
    if (digit >= 'a' && digit <= 'f')
        return (unsigned)(digit - 'a' + 10);
    if (digit >= 'A' && digit <= 'F')
        return (unsigned)(digit - 'A' + 10);
    return 16;
}

/* The number that len digits are, at most 16. Returns 0, or -1 when one of them is none. */
static inline int hex_number(const char *digits, unsigned len, uint64_t *number)
{
    *number = 0;
    for (unsigned i = 0; i < len; i++) {
        unsigned value = hex_digit(digits[i]);

        if (value == 16)
            return -1;
        *number = *number << 4 | value;
    }
    return 0;
}

#endif
