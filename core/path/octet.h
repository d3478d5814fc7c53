/*
 * octet.h - what each byte may be, by RFC 9110 and RFC 3986, and quick ways over many of them. Pure.
 *
 * Owns     the table of classes.
 * Used by  head.c, head_fields.c, authority.c, chunk.c, key.c, route.c.
 * Thread   any; constants.
 */
#ifndef PATH_OCTET_H
#define PATH_OCTET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum octet_class {
    OCTET_TOKEN = 1,  /* tchar of RFC 9110, 5.6.2: field names, methods, list items */
    OCTET_VALUE = 2,  /* field values, RFC 9110, 5.5: visible, SP, HTAB, and 0x80 up (obs-text) */
    OCTET_TARGET = 4, /* request targets: visible ASCII but '#', which ends a URI and must not be sent */
    OCTET_NAME = 8,   /* unreserved and sub-delims of RFC 3986: a host's name, apart from %XX */
    OCTET_HEX = 16,
};

extern const uint8_t octet_classes[256];

static inline bool octet_is(char c, enum octet_class class)
{
    return (octet_classes[(unsigned char)c] & class) != 0;
}

static inline bool octet_is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

static inline bool octet_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The value of a hex digit, 0 .. 15. c must be one. */
static inline unsigned octet_hex(char c)
{
    return octet_is_digit(c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static inline char octet_lower(char c)
{
    return (char)((unsigned char)(c - 'A') < 26 ? c | 0x20 : c);
}

/* Equal but for the case of letters; lower has no capitals. For names that are not known here. */
static inline bool octet_same_name(const char *name, const char *lower, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (octet_lower(name[i]) != lower[i])
            return false;
    return true;
}

/* ---- eight at a time A byte of the result of octet_below has its top bit set when that byte of w is
 * below n (1 .. 128); bytes above the first such one may be marked wrongly by the borrow, the first one
 * never is, and only the first is looked at. ("Bit twiddling hacks", S. E. Anderson: hasless, haszero.) */

#define OCTET_EACH 0x0101010101010101ull /* times c: eight of c */

static inline uint64_t octet_word(const char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    return w;
}

static inline uint64_t octet_below(uint64_t w, unsigned n)
{
    return (w - OCTET_EACH * n) & ~w;
}

static inline uint64_t octet_equal(uint64_t w, unsigned c)
{
    return octet_below(w ^ (OCTET_EACH * c), 1);
}

/* Index of the first marked byte; marks is not 0. */
static inline unsigned octet_first(uint64_t marks)
{
    return (unsigned)__builtin_ctzll(marks) >> 3;
}

#define OCTET_MARKS (OCTET_EACH * 0x80)

/* Equal but for the case of letters. Both are tokens, lower without capitals and without ^ _ ` and @: then
 * no other octet of a token turns into one of lower's by setting the bit 0x20. Folds to one or two
 * comparisons where len is a constant. */
static inline bool octet_same_token(const char *token, const char *lower, size_t len)
{
    const uint64_t fold = OCTET_EACH * 0x20;
    if (len < 8) {
        for (size_t i = 0; i < len; i++)
            if ((token[i] | 0x20) != lower[i])
                return false;
        return true;
    }
    for (size_t i = 0; i + 8 < len; i += 8)
        if ((octet_word(token + i) | fold) != octet_word(lower + i))
            return false;
    return (octet_word(token + len - 8) | fold) ==
           octet_word(lower + len - 8); /* may overlap the one before */
}

/* Eight lower-case hex digits of n, the least significant first: for numbers whose digits are all alike. The four-bit pieces are
 * spread over eight bytes; those above 9, which adding 6 carries into bit 4, get what lies between '9' and 'a' as well. */
static inline void octet_put_hex(char out[8], uint32_t n)
{
    uint64_t w = n;
    w = (w | w << 16) & 0x0000ffff0000ffffull;
    w = (w | w << 8) & 0x00ff00ff00ff00ffull;
    w = (w | w << 4) & 0x0f0f0f0f0f0f0f0full;
    uint64_t letters = ((w + OCTET_EACH * 6) >> 4) & OCTET_EACH;
    w += OCTET_EACH * '0' + letters * ('a' - '0' - 10);
    memcpy(out, &w, sizeof w);
}

/* The first octet in p .. end that may not stand in a field value, or end. */
static inline const char *octet_skip_value(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t w = octet_word(p);
        uint64_t marks = (octet_below(w, 0x20) | octet_equal(w, 0x7f)) & OCTET_MARKS;
        if (marks == 0) {
            p += 8;
            continue;
        }
        p += octet_first(marks);
        if (*p != '\t')
            return p;
        p++;
    }
    while (p < end && octet_is(*p, OCTET_VALUE))
        p++;
    return p;
}

/* The first octet in p .. end that may not stand in a request target, or end. */
static inline const char *octet_skip_target(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t w = octet_word(p);
        uint64_t marks =
            (octet_below(w, 0x21) | octet_equal(w, 0x7f) | octet_equal(w, '#') | w) & OCTET_MARKS;
        if (marks)
            return p + octet_first(marks);
        p += 8;
    }
    while (p < end && octet_is(*p, OCTET_TARGET))
        p++;
    return p;
}

/* The first octet in p .. end that may not stand in a token, or end. Tokens are short: a table does. */
static inline const char *octet_skip_token(const char *p, const char *end)
{
    while (p < end && octet_is(*p, OCTET_TOKEN))
        p++;
    return p;
}

/* Lists (RFC 9110, 5.6.1). Moves *p behind the next item of a comma-separated list and gives it without
 * blanks; empty ones are given too. False at the end. Start with p at the first octet; a list that ends is left
 * with *p behind end. */
static inline bool octet_next_item(const char **p, const char *end, const char **item, size_t *len)
{
    const char *from = *p;
    if (from > end)
        return false;
    const char *to = from;
    while (to < end && *to != ',')
        to++;
    *p = to + 1;
    while (from < to && octet_is_blank(*from))
        from++;
    while (to > from && octet_is_blank(to[-1]))
        to--;
    *item = from;
    *len = (size_t)(to - from);
    return true;
}

#endif
