/*
 * json.c - a text as a JSON string.
 *
 * Owns     the escaping (RFC 8259 section 7) and the check for UTF-8 (RFC 3629 section 4).
 * Used by  routes.c.
 * Uses     libevent's evbuffer.
 *
 * A library for the five fixed shapes of answer that this program gives would be one more thing in the
 * container; what has to be right is the escaping of text that a client or an environment variable chose, and
 * that is all here.
 */
#include "json.h"

#include <event2/buffer.h>

#include <stdbool.h>
#include <string.h>

/* Length in bytes of the UTF-8 character at p of at most left bytes; 0 when it is not one. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    size_t length = p[0] < 0x80                   ? 1
                    : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                    : (p[0] & 0xf0) == 0xe0       ? 3
                    : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                                  : 0;
    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] > 0x9f;
    bool too_large = p[0] == 0xf4 && p[1] > 0x8f;
    return overlong || surrogate || too_large ? 0 : length;
}

void json_add_text(struct evbuffer *out, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < len;) {
        size_t length = utf8_length(p + i, len - i);
        if (length == 0) {
            evbuffer_add(out, "\\ufffd", 6);
            i++;
        } else if (p[i] == '"' || p[i] == '\\') {
            evbuffer_add_printf(out, "\\%c", p[i++]);
        } else if (p[i] < 0x20 || p[i] == 0x7f) {
            evbuffer_add_printf(out, "\\u%04x", p[i++]);
        } else {
            evbuffer_add(out, p + i, length);
            i += length;
        }
    }
}

void json_add_string(struct evbuffer *out, const char *text)
{
    evbuffer_add(out, "\"", 1);
    json_add_text(out, text, strlen(text));
    evbuffer_add(out, "\"", 1);
}
