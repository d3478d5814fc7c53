/*
 * proxy.c - the PROXY protocol: see proxy.h.
 *
 * Owns     the grammar of both versions.
 * Used by  client.c, exchange_attempt.c.
 * Thread   any.
 */
#include "path/proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#define V1_BEGIN "PROXY "
#define V1_MOST  107 /* "PROXY UNKNOWN", two IPv6 addresses, two ports, CRLF: section 2.1 */

static const char v2_begin[12] = "\r\n\r\n\0\r\nQUIT\n";
#define V2_FIXED 16 /* what begins every header of version 2: section 2.2 */

enum { V2_VERSION = 0x20, V2_CMD_LOCAL = 0, V2_CMD_PROXY = 1 };
enum { V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21, V2_UNIX = 0x31 };
enum { LEN_TCP4 = 12, LEN_TCP6 = 36, LEN_UNIX = 216 };

/* True when the bytes there are begin like `begin`, as far as they go. */
static bool begins(const char *bytes, size_t len, const char *begin, size_t begin_len)
{
    return memcmp(bytes, begin, len < begin_len ? len : begin_len) == 0;
}

/* ---- version 1: a line */

/* A word up to a blank or to the end of the line, as a text. False: empty, or too long to be anything. */
static bool take_word(const char **p, const char *end, char *out, size_t room)
{
    const char *to = memchr(*p, ' ', (size_t)(end - *p));
    if (!to)
        to = end;
    size_t len = (size_t)(to - *p);
    if (len == 0 || len >= room || memchr(*p, '\0', len))
        return false;
    memcpy(out, *p, len);
    out[len] = '\0';
    *p = to < end ? to + 1 : end + 1; /* behind the end: nothing more can follow */
    return true;
}

/* Decimal, without a zero in front (section 2.1). */
static bool take_port(const char **p, const char *end, in_port_t *port)
{
    char text[6];
    unsigned value = 0;
    if (*p > end || !take_word(p, end, text, sizeof text) || (text[0] == '0' && text[1]))
        return false;
    for (const char *digit = text; *digit; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        value = value * 10 + (unsigned)(*digit - '0');
    }
    *port = htons((uint16_t)value);
    return value <= UINT16_MAX;
}

static bool take_address(const char **p, const char *end, int family, union proxy_address *out)
{
    char text[INET6_ADDRSTRLEN];
    memset(out, 0, sizeof *out);
    out->any.sa_family = (sa_family_t)family;
    void *into = family == AF_INET ? (void *)&out->v4.sin_addr : (void *)&out->v6.sin6_addr;
    return *p <= end && take_word(p, end, text, sizeof text) && inet_pton(family, text, into) == 1;
}

static in_port_t *port_of(union proxy_address *a)
{
    return a->any.sa_family == AF_INET ? &a->v4.sin_port : &a->v6.sin6_port;
}

/* What stands between "PROXY " and CRLF. */
static bool read_line(const char *p, const char *end, struct proxy_header *out)
{
    char family[8];
    if (!take_word(&p, end, family, sizeof family))
        return false;
    if (strcmp(family, "UNKNOWN") == 0) { /* whatever follows is ignored */
        out->kind = PROXY_UNKNOWN;
        return true;
    }
    bool v4 = strcmp(family, "TCP4") == 0;
    if (!v4 && strcmp(family, "TCP6") != 0)
        return false;
    out->kind = PROXY_KNOWN;
    return take_address(&p, end, v4 ? AF_INET : AF_INET6, &out->from) &&
           take_address(&p, end, v4 ? AF_INET : AF_INET6, &out->to) &&
           take_port(&p, end, port_of(&out->from)) && take_port(&p, end, port_of(&out->to)) && p == end + 1;
}

static int parse_v1(const char *bytes, size_t len, struct proxy_header *out)
{
    size_t seen = len < V1_MOST ? len : V1_MOST;
    const char *lf = memchr(bytes, '\n', seen);
    if (!lf)
        return seen == V1_MOST ? PROXY_BAD : PROXY_MORE;
    const char *from = bytes + sizeof V1_BEGIN - 1, *end = lf - 1;
    if (end < from || *end != '\r' || memchr(bytes, '\r', (size_t)(end - bytes)))
        return PROXY_BAD;
    return read_line(from, end, out) ? (int)(lf + 1 - bytes) : PROXY_BAD;
}

/* ---- version 2: binary */

static unsigned number_at(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* CRC-32C (RFC 3720, appendix B.4), bit by bit: at most once for each connection, and rarely there at all. The four
 * bytes at `blank` count as zeros. */
static uint32_t crc32c(const uint8_t *bytes, size_t len, size_t blank)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= i >= blank && i < blank + 4 ? 0 : bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* The values behind the addresses: type, length, bytes; section 2.2.  False: they do not fit their space, or the
 * checksum among them is wrong. */
static bool read_values(const uint8_t *header, size_t at, size_t len, struct proxy_header *out)
{
    enum { TYPE_CRC32C = 0x03, TYPE_SSL = 0x20, CLIENT_SSL = 0x01 };
    while (at < len) {
        if (len - at < 3 || len - at - 3 < number_at(header + at + 1))
            return false;
        size_t value = at + 3, value_len = number_at(header + at + 1);
        if (header[at] == TYPE_CRC32C) {
            uint32_t said;
            if (value_len != sizeof said)
                return false;
            memcpy(&said, header + value, sizeof said);
            if (ntohl(said) != crc32c(header, len, value))
                return false;
        }
        if (header[at] == TYPE_SSL) {
            if (value_len < 5)
                return false;
            out->tls = header[value] & CLIENT_SSL;
        }
        at = value + value_len;
    }
    return true;
}

static void read_v4(const uint8_t *p, struct proxy_header *out)
{
    out->from.v4.sin_family = out->to.v4.sin_family = AF_INET;
    memcpy(&out->from.v4.sin_addr, p, 4);
    memcpy(&out->to.v4.sin_addr, p + 4, 4);
    memcpy(&out->from.v4.sin_port, p + 8, 2);
    memcpy(&out->to.v4.sin_port, p + 10, 2);
}

static void read_v6(const uint8_t *p, struct proxy_header *out)
{
    out->from.v6.sin6_family = out->to.v6.sin6_family = AF_INET6;
    memcpy(&out->from.v6.sin6_addr, p, 16);
    memcpy(&out->to.v6.sin6_addr, p + 16, 16);
    memcpy(&out->from.v6.sin6_port, p + 32, 2);
    memcpy(&out->to.v6.sin6_port, p + 34, 2);
}

/* The header is whole, `len` bytes. Datagrams and what is reserved are refused: this is a stream. */
static bool read_binary(const uint8_t *header, size_t len, struct proxy_header *out)
{
    size_t space = len - V2_FIXED, addresses = 0;
    if ((header[12] & 0x0f) == V2_CMD_LOCAL) {
        out->kind = PROXY_LOCAL; /* and the rest is ignored, the family too */
        return true;
    }
    out->kind = PROXY_UNKNOWN;
    switch (header[13]) {
    case V2_UNSPEC: return true;
    case V2_TCP4: addresses = LEN_TCP4; break;
    case V2_TCP6: addresses = LEN_TCP6; break;
    case V2_UNIX: addresses = LEN_UNIX; break;
    default: return false;
    }
    if (space < addresses)
        return false;
    if (header[13] != V2_UNIX) {
        out->kind = PROXY_KNOWN;
        (header[13] == V2_TCP4 ? read_v4 : read_v6)(header + V2_FIXED, out);
    }
    return read_values(header, V2_FIXED + addresses, len, out);
}

static int parse_v2(const char *bytes, size_t len, struct proxy_header *out)
{
    const uint8_t *header = (const uint8_t *)bytes;
    if (len > 12 && (header[12] & 0xf0) != V2_VERSION)
        return PROXY_BAD;
    if (len > 12 && (header[12] & 0x0f) > V2_CMD_PROXY)
        return PROXY_BAD;
    if (len < V2_FIXED)
        return PROXY_MORE;
    size_t whole = V2_FIXED + number_at(header + 14);
    if (len < whole)
        return PROXY_MORE;
    return read_binary(header, whole, out) ? (int)whole : PROXY_BAD;
}

int proxy_parse(const char *bytes, size_t len, struct proxy_header *out)
{
    memset(out, 0, sizeof *out);
    if (begins(bytes, len, v2_begin, sizeof v2_begin))
        return len < sizeof v2_begin ? PROXY_MORE : parse_v2(bytes, len, out);
    if (begins(bytes, len, V1_BEGIN, sizeof V1_BEGIN - 1))
        return len < sizeof V1_BEGIN ? PROXY_MORE : parse_v1(bytes, len, out);
    return PROXY_BAD;
}

/* ---- writing */

/* The address as IPv4, if it is one. */
static bool as_v4(const struct sockaddr *a, uint8_t out[4])
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    if (a->sa_family == AF_INET) {
        memcpy(out, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
        return true;
    }
    const uint8_t *v6 = ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr.s6_addr;
    memcpy(out, v6 + 12, 4);
    return memcmp(v6, mapped, sizeof mapped) == 0;
}

/* The address as IPv6: an IPv4 one is mapped (RFC 4291, 2.5.5.2). */
static void as_v6(const struct sockaddr *a, uint8_t out[16])
{
    if (a->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
        return;
    }
    memset(out, 0, 16);
    out[10] = out[11] = 0xff;
    as_v4(a, out + 12);
}

static void put_port(const struct sockaddr *a, uint8_t out[2])
{
    /* sin_port and sin6_port lie at the same place */
    memcpy(out, &((const struct sockaddr_in *)(const void *)a)->sin_port, 2);
}

size_t proxy_write(const struct sockaddr *from, const struct sockaddr *to, char out[PROXY_WRITE_MAX])
{
    uint8_t header[PROXY_WRITE_MAX] = { 0 };
    size_t len = 0;
    memcpy(header, v2_begin, sizeof v2_begin);
    header[12] = V2_VERSION | V2_CMD_PROXY;
    uint8_t *p = header + V2_FIXED;
    if (from && as_v4(from, p) && as_v4(to, p + 4)) {
        header[13] = V2_TCP4;
        len = LEN_TCP4;
    } else if (from) {
        as_v6(from, p);
        as_v6(to, p + 16);
        header[13] = V2_TCP6;
        len = LEN_TCP6;
    }
    if (from) {
        put_port(from, p + len - 4);
        put_port(to, p + len - 2);
    }
    header[15] = (uint8_t)len;
    memcpy(out, header, V2_FIXED + len);
    return V2_FIXED + len;
}
