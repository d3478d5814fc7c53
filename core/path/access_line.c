/*
 * access_line.c - one finished request -> one line of the access log: see access_line.h.
 *
 * Owns     nothing.
 * Used by  access.c.
 * Uses     octet-wise escaping, eight octets at a time while nothing is to be escaped.
 * Thread   any. Pure.
 */
#include "path/access_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_S 1000000u

/* ------------------------------------------------------------------ putting */

struct out {
    char *at, *end;
    bool full; /* something had no room: the line is not whole */
};

static void put(struct out *o, const char *text, size_t len)
{
    if ((size_t)(o->end - o->at) < len) {
        o->full = true;
        return;
    }
    memcpy(o->at, text, len);
    o->at += len;
}

#define PUT(o_, text_) put(o_, text_, sizeof(text_) - 1)

static void put_number(struct out *o, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    put(o, digits + at, sizeof digits - at);
}

/* ------------------------------------------------------------------ escaping */

#define EIGHT(octet_) (UINT64_C(0x0101010101010101) * (octet_))

/* True when one of eight octets is below 0x20, above 0x7e, a quote or a backslash. (x - n) & ~x & 0x80 finds octets
 * below n; borrows only run from such an octet upward, so the answer for all eight is right. */
static bool has_special(uint64_t x)
{
    uint64_t quote = x ^ EIGHT('"'), backslash = x ^ EIGHT('\\'), del = x ^ EIGHT(0x7f);
    uint64_t low = (x - EIGHT(0x20)) & ~x;
    uint64_t equal =
        ((quote - EIGHT(1)) & ~quote) | ((backslash - EIGHT(1)) & ~backslash) | ((del - EIGHT(1)) & ~del);
    return ((low | equal | x) & EIGHT(0x80)) != 0;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Octets from the front of text that are printed as they are. */
static size_t count_plain(const char *text, size_t len)
{
    size_t n = 0;
    uint64_t eight;
    for (; len - n >= sizeof eight; n += sizeof eight) {
        memcpy(&eight, text + n, sizeof eight);
        if (has_special(eight))
            break;
    }
    while (n < len && is_plain((unsigned char)text[n]))
        n++;
    return n;
}

/* The length of the UTF-8 character that text begins with, above 1; 0: none (Unicode 15, table 3-7). */
static size_t count_utf8(const char *text, size_t len)
{
    const unsigned char *t = (const unsigned char *)text;
    size_t n = t[0] >= 0xf0 ? 4 : t[0] >= 0xe0 ? 3 : 2;
    if (t[0] < 0xc2 || t[0] > 0xf4 || len < n)
        return 0;
    if ((t[0] == 0xe0 && t[1] < 0xa0) || (t[0] == 0xed && t[1] > 0x9f) || (t[0] == 0xf0 && t[1] < 0x90) ||
        (t[0] == 0xf4 && t[1] > 0x8f))
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((t[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static const char hex_digits[] = "0123456789abcdef";

/* One octet or character that is not plain; returns how many octets of text it was. */
typedef size_t escape_fn(struct out *o, const char *text, size_t len);

static size_t escape_json(struct out *o, const char *text, size_t len)
{
    unsigned char c = (unsigned char)text[0];
    size_t utf8 = c >= 0x80 ? count_utf8(text, len) : 0;
    if (utf8 > 0) {
        put(o, text, utf8);
        return utf8;
    }
    char escaped[] = { '\\', 'u', '0', '0', hex_digits[c >> 4], hex_digits[c & 15] };
    char quoted[] = { '\\', (char)c };
    if (c == '"' || c == '\\')
        put(o, quoted, sizeof quoted);
    else
        put(o, escaped, sizeof escaped);
    return 1;
}

static size_t escape_combined(struct out *o, const char *text, size_t len)
{
    (void)len;
    unsigned char c = (unsigned char)text[0];
    char escaped[] = { '\\', 'x', hex_digits[c >> 4], hex_digits[c & 15] };
    put(o, escaped, sizeof escaped);
    return 1;
}

#define ESCAPE_MAX 6 /* bytes that one of them puts at most */

/* At most `most` bytes and three points. */
static void put_escaped(struct out *o, struct access_text text, size_t most, escape_fn *escape)
{
    const char *start = o->at;
    for (size_t n = 0; n < text.len && !o->full;) {
        size_t used = (size_t)(o->at - start);
        if (used > most - ESCAPE_MAX) {
            PUT(o, "...");
            return;
        }
        size_t plain = count_plain(text.at + n, text.len - n), left = most - ESCAPE_MAX - used + 1;
        if (plain > left)
            plain = left;
        put(o, text.at + n, plain);
        n += plain ? plain : escape(o, text.at + n, text.len - n);
    }
}

/* ------------------------------------------------------------------ time */

static void print_second(struct access_stamp *stamp, uint64_t second)
{
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t when = (time_t)second;
    struct tm utc;
    gmtime_r(&when, &utc);
    strftime(stamp->iso, sizeof stamp->iso, "%Y-%m-%dT%H:%M:%S", &utc);
    char rest[24]; /* the month's name in no language but English */
    strftime(rest, sizeof rest, "/%Y:%H:%M:%S +0000", &utc);
    snprintf(stamp->combined, sizeof stamp->combined, "%02d/%s%s", utc.tm_mday, months[utc.tm_mon], rest);
    stamp->second = second;
}

static void need_second(struct access_stamp *stamp, uint64_t when_us)
{
    uint64_t second = when_us / US_PER_S;
    if (second != stamp->second)
        print_second(stamp, second);
}

/* ------------------------------------------------------------------ json */

static void put_json_text(struct out *o, struct access_text text, size_t most)
{
    if (!text.at) {
        PUT(o, "null");
        return;
    }
    PUT(o, "\"");
    put_escaped(o, text, most, escape_json);
    PUT(o, "\"");
}

static void put_json_time(struct out *o, uint64_t us)
{
    if (us == ACCESS_NO_TIME)
        PUT(o, "null");
    else
        put_number(o, us);
}

static void put_iso(struct out *o, const struct access_stamp *stamp, uint64_t when_us)
{
    char micros[] = ".000000Z";
    uint64_t us = when_us % US_PER_S;
    for (int i = 6; i > 0; i--, us /= 10)
        micros[i] = (char)('0' + us % 10);
    put(o, stamp->iso, sizeof stamp->iso - 1);
    put(o, micros, sizeof micros - 1);
}

static void put_json_request(struct out *o, const struct access_line *l)
{
    PUT(o, "\",\"client\":");
    put_json_text(o, l->client, ACCESS_SHORT_MAX);
    PUT(o, ",\"method\":");
    put_json_text(o, l->method, ACCESS_SHORT_MAX);
    PUT(o, ",\"target\":");
    put_json_text(o, l->target, ACCESS_TEXT_MAX);
    if (l->minor == 1)
        PUT(o, ",\"version\":\"HTTP/1.1\",\"status\":");
    else if (l->minor == 0)
        PUT(o, ",\"version\":\"HTTP/1.0\",\"status\":");
    else
        PUT(o, ",\"version\":null,\"status\":");
    put_number(o, (uint64_t)l->status);
    PUT(o, ",\"end\":\"");
    put(o, l->end, strlen(l->end));
}

static void put_json_figures(struct out *o, const struct access_line *l)
{
    PUT(o, "\",\"bytes_out\":");
    put_number(o, l->bytes_out);
    PUT(o, ",\"bytes_in\":");
    put_number(o, l->bytes_in);
    PUT(o, ",\"duration_us\":");
    put_number(o, l->duration_us);
    PUT(o, ",\"upstream_us\":");
    put_json_time(o, l->upstream_us);
    PUT(o, ",\"first_byte_us\":");
    put_json_time(o, l->first_byte_us);
    PUT(o, ",\"attempts\":");
    put_number(o, l->attempts);
    PUT(o, ",\"generation\":");
    put_number(o, l->generation);
}

size_t access_write_json(const struct access_line *l, struct access_stamp *stamp, char *out, size_t room)
{
    struct out o = { .at = out, .end = out + room };
    need_second(stamp, l->when_us);
    PUT(&o, "{\"time\":\"");
    put_iso(&o, stamp, l->when_us);
    put_json_request(&o, l);
    put_json_figures(&o, l);
    PUT(&o, ",\"replica\":");
    put_json_text(&o, l->replica, ACCESS_SHORT_MAX);
    PUT(&o, ",\"request_id\":");
    put_json_text(&o, l->request_id, ACCESS_SHORT_MAX);
    PUT(&o, ",\"key\":");
    put_json_text(&o, l->key, ACCESS_SHORT_MAX);
    PUT(&o, ",\"user_agent\":");
    put_json_text(&o, l->user_agent, ACCESS_TEXT_MAX);
    PUT(&o, ",\"referer\":");
    put_json_text(&o, l->referer, ACCESS_TEXT_MAX);
    PUT(&o, "}\n");
    return o.full ? 0 : (size_t)(o.at - out);
}

/* ------------------------------------------------------------------ combined */

static void put_quoted(struct out *o, struct access_text text)
{
    PUT(o, " \"");
    if (text.at)
        put_escaped(o, text, ACCESS_TEXT_MAX, escape_combined);
    else
        PUT(o, "-");
    PUT(o, "\"");
}

static void put_request_line(struct out *o, const struct access_line *l)
{
    PUT(o, "] \"");
    if (l->minor < 0) {
        PUT(o, "-");
    } else {
        put_escaped(o, l->method, ACCESS_SHORT_MAX, escape_combined);
        PUT(o, " ");
        put_escaped(o, l->target, ACCESS_TEXT_MAX, escape_combined);
        if (l->minor == 1)
            PUT(o, " HTTP/1.1");
        else
            PUT(o, " HTTP/1.0");
    }
    PUT(o, "\" ");
}

size_t access_write_combined(const struct access_line *l, struct access_stamp *stamp, char *out, size_t room)
{
    struct out o = { .at = out, .end = out + room };
    need_second(stamp, l->when_us);
    put_escaped(&o, l->client, ACCESS_SHORT_MAX, escape_combined);
    PUT(&o, " - - [");
    put(&o, stamp->combined, sizeof stamp->combined - 1);
    put_request_line(&o, l);
    put_number(&o, (uint64_t)l->status);
    PUT(&o, " ");
    put_number(&o, l->body_out);
    put_quoted(&o, l->referer);
    put_quoted(&o, l->user_agent);
    PUT(&o, "\n");
    return o.full ? 0 : (size_t)(o.at - out);
}
