/*
 * config_networks.c - addresses and networks: host:port, and who may call the control routes.
 *
 * Owns     nothing; networks live in struct config.
 * Used by  config_options.c (the type of control_from and its like), control (who may call), path/ (who is believed),
 *          spawners and main (addresses).
 * Uses     mem.h.
 * Thread   any.
 *
 * IPv4 is kept v4-mapped (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so that one comparison does for both families and for
 * IPv4 peers that arrive on an IPv6 socket. A network of IPv6 that holds ::ffff:0:0/96, such as ::/0, holds all of IPv4.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/config_types.h"

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* ------------------------------------------------------------------ host:port */

/* Digits only, 0 to most. Returns -1 when it is anything else. */
static int parse_digits(const char *text, size_t len, int most)
{
    int value = 0;
    if (len == 0 || len > 5) {
        return -1;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value <= most ? value : -1;
}

static unsigned make_v4(const char *host, in_port_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    v4->sin_family = AF_INET;
    v4->sin_port = port;
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1 ? sizeof *v4 : 0;
}

static unsigned make_v6(const char *host, in_port_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 ? sizeof *v6 : 0;
}

unsigned config_parse_address(const char *text, struct sockaddr_storage *out)
{
    char host[INET6_ADDRSTRLEN] = "0.0.0.0";
    memset(out, 0, sizeof *out);
    const char *colon = strrchr(text, ':');
    const char *digits = colon ? colon + 1 : text;
    int number = parse_digits(digits, strlen(digits), 65535);
    size_t host_len = colon ? (size_t)(colon - text) : 0;
    if (number < 0) {
        return 0;
    }
    in_port_t port = htons((uint16_t)number);
    if (host_len == 0) {
        return make_v4(host, port, out);
    }
    bool brackets = host_len > 2 && text[0] == '[' && colon[-1] == ']';
    text += brackets;
    host_len -= brackets ? 2 : 0;
    if (host_len >= sizeof host) {
        return 0;
    }
    memcpy(host, text, host_len);
    host[host_len] = 0;
    return brackets ? make_v6(host, port, out) : make_v4(host, port, out);
}

unsigned config_parse_listener(const char *text, struct sockaddr_storage *out, bool *proxy)
{
    static const char suffix[] = " proxy";
    size_t len = strlen(text), cut = sizeof suffix - 1;
    char address[64];
    *proxy = len > cut && strcmp(text + len - cut, suffix) == 0;
    if (*proxy) {
        len -= cut;
    }
    if (len >= sizeof address) {
        return 0;
    }
    memcpy(address, text, len);
    address[len] = 0;
    return config_parse_address(address, out);
}

/* ------------------------------------------------------------------ networks: reading */

static bool parse_host(const char *text, uint8_t out[16], bool *v4)
{
    memcpy(out, mapped_prefix, sizeof mapped_prefix);
    *v4 = inet_pton(AF_INET, text, out + 12) == 1;
    return *v4 || inet_pton(AF_INET6, text, out) == 1;
}

static void mask(uint8_t address[16], unsigned bits)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned keep = bits > i * 8 ? bits - i * 8 : 0;
        address[i] &= (uint8_t)(keep >= 8 ? 0xff : 0xff00 >> keep);
    }
}

static bool is_mapped(const struct config_network *n)
{
    return n->bits >= 96 && memcmp(n->address, mapped_prefix, sizeof mapped_prefix) == 0;
}

/* "127.0.0.0/8": into text, which holds INET6_ADDRSTRLEN + 4 bytes. */
static void format_network(const struct config_network *n, char *text)
{
    bool v4 = is_mapped(n);
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? n->address + 12 : n->address, text, INET6_ADDRSTRLEN);
    size_t len = strlen(text);
    snprintf(text + len, 5, "/%u", (v4 ? n->bits - 96 : n->bits) % 1000);
}

/* ADDRESS or ADDRESS/BITS. */
static const char *parse_network(const char *text, void *network, char **hint)
{
    struct config_network *out = network;
    const char *slash = strchr(text, '/');
    char *host = slash ? mem_text_n(text, (size_t)(slash - text)) : mem_text(text);
    bool v4 = false;
    bool good = parse_host(host, out->address, &v4);
    free(host);
    if (!good) {
        *hint = mem_text("write \"10.0.0.0/8\", \"192.168.1.7\" or \"fd00::/8\"");
        return "is no address and no network";
    }
    int most = v4 ? 32 : 128;
    int bits = slash ? parse_digits(slash + 1, strlen(slash + 1), most) : most;
    if (bits < 0) {
        *hint = mem_format("0 to %d bits", most);
        return "has a wrong number of bits after the slash";
    }
    out->bits = (unsigned)bits + (v4 ? 96 : 0);
    struct config_network masked = *out;
    mask(masked.address, out->bits);
    if (memcmp(masked.address, out->address, sizeof masked.address) != 0) {
        char meant[INET6_ADDRSTRLEN + 4];
        format_network(&masked, meant);
        *hint = mem_format("did you mean \"%s\"?", meant);
        return "has bits set behind its slash";
    }
    return NULL;
}

static struct config_network **networks_of(const struct config *c, const struct config_option *o)
{
    return config_field(c, o);
}

static bool read_networks(struct config_reader *r, const struct config_option *o,
                          const struct config_node *node)
{
    if (!config_check_list(r, o, node)) {
        return false;
    }
    bool good = true;
    struct config_network *networks = mem_zero(node->n_children + 1, sizeof *networks);
    for (size_t i = 0; i < node->n_children; i++) {
        good = config_parse_entry(r, o, &node->children[i], parse_network, &networks[i]) && good;
    }
    if (!good) {
        free(networks);
        return false;
    }
    free(*networks_of(r->config, o));
    *networks_of(r->config, o) = networks;
    *config_count(r->config, o) = node->n_children;
    return true;
}

/* ------------------------------------------------------------------ networks: the rest of the type */

static void print_networks(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    (void)indent;
    size_t count = *config_count(c, o);
    fputs("[ ", out);
    for (size_t i = 0; i < count; i++) {
        char text[INET6_ADDRSTRLEN + 4];
        format_network(&(*networks_of(c, o))[i], text);
        fputs(i > 0 ? ", " : "", out);
        config_print_text(out, text);
    }
    fputs(count > 0 ? " ]" : "]", out);
}

static bool equal_networks(const struct config *a, const struct config *b, const struct config_option *o)
{
    size_t count = *config_count(a, o);
    bool equal = count == *config_count(b, o);
    for (size_t i = 0; equal && i < count; i++) {
        const struct config_network *x = &(*networks_of(a, o))[i], *y = &(*networks_of(b, o))[i];
        equal = x->bits == y->bits && memcmp(x->address, y->address, sizeof x->address) == 0;
    }
    return equal;
}

static void copy_networks(struct config *to, const struct config *from, const struct config_option *o)
{
    size_t count = *config_count(from, o);
    struct config_network *networks = mem_zero(count + 1, sizeof *networks);
    memcpy(networks, *networks_of(from, o), count * sizeof *networks);
    free(*networks_of(to, o));
    *networks_of(to, o) = networks;
    *config_count(to, o) = count;
}

static void clear_networks(struct config *c, const struct config_option *o)
{
    free(*networks_of(c, o));
    *networks_of(c, o) = NULL;
    *config_count(c, o) = 0;
}

const struct config_type config_networks_type = { "list of networks", read_networks, print_networks,
                                                  equal_networks,     copy_networks, clear_networks };

/* ------------------------------------------------------------------ who may call */

static bool is_inside(const struct config_network *n, const uint8_t address[16])
{
    uint8_t masked[16];
    memcpy(masked, address, sizeof masked);
    mask(masked, n->bits);
    return memcmp(masked, n->address, sizeof masked) == 0;
}

bool config_networks_hold(const struct config_network *networks, size_t n, const struct sockaddr *peer)
{
    uint8_t address[16];
    if (peer->sa_family == AF_INET) {
        memcpy(address, mapped_prefix, sizeof mapped_prefix);
        memcpy(address + 12, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
    } else if (peer->sa_family == AF_INET6) {
        memcpy(address, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, sizeof address);
    } else {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (is_inside(&networks[i], address)) {
            return true;
        }
    }
    return false;
}

bool config_allows_control(const struct config *c, const struct sockaddr *peer)
{
    return config_networks_hold(c->control_from, c->n_control_from, peer);
}
