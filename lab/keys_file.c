/*
 * keys_file.c - keys out of a file: one a line, or an access log.
 *
 * Owns     the three kinds of line.
 * Used by  keys.c.
 * Uses     jansson; path/head.h and path/key.h, so that a recorded request has the key that it would have live.
 * Thread   the program's only one.
 *
 * A line is told by itself:
 *   {...}                    an object of the balancer's own access log: "key" is what the request was placed by; null: it
 *                            was not placed, being a control call. Where nothing is said of a key, "target", "request_id"
 *                            and "client" are the request
 *   ... [time] "request" ... the combined format of NCSA, nginx and the balancer
 *   anything else            a key
 * A line that is a request without any of the sources has no key (live it would have got one by chance). Lines without a key
 * are counted, and left out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/keys.h"
#include "lab/lab.h"
#include "path/head.h"
#include "path/key.h"
#include "world/config.h"

#define HEAD_MAX   65535
#define FIELDS_MAX 16

struct reader {
    struct keys *keys;
    struct config config; /* strategy.keys alone */
    uint64_t random;
    char head[HEAD_MAX + 1];
};

/* ------------------------------------------------------------------ sources */

static const struct {
    const char *text;
    enum config_key_source source;
    bool named;
} sources_known[] = {
    { "query:", KEY_QUERY, true }, { "header:", KEY_HEADER, true }, { "cookie:", KEY_COOKIE, true },
    { "path", KEY_PATH, false },   { "uri", KEY_URI, false },       { "client_ip", KEY_CLIENT_IP, false },
};

static bool read_source(const char *text, struct config_key *out)
{
    for (size_t i = 0; i < sizeof sources_known / sizeof *sources_known; i++) {
        size_t len = strlen(sources_known[i].text);
        bool named = sources_known[i].named;
        if (named ? strncmp(text, sources_known[i].text, len) != 0 || !text[len]
                  : strcmp(text, sources_known[i].text) != 0)
            continue;
        *out = (struct config_key){ .source = sources_known[i].source };
        if (named) {
            out->name = mem_text(text + len);
            out->name_len = strlen(out->name);
        }
        return true;
    }
    lab_complain("--key lists query:NAME, header:NAME, cookie:NAME, path, uri and client_ip, not \"%s\"",
                 text);
    return false;
}

static bool read_sources(struct config *config, const char *written)
{
    char *text = mem_text(written), *rest = text, *one;
    bool good = true;
    while (good && (one = strsep(&rest, ", "))) {
        if (!*one)
            continue;
        size_t n = config->strategy.n_keys;
        config->strategy.keys = mem_grow(config->strategy.keys, (n + 1) * sizeof *config->strategy.keys);
        good = read_source(one, &config->strategy.keys[n]);
        config->strategy.n_keys += good;
    }
    free(text);
    return good;
}

static void free_sources(struct config *config)
{
    for (size_t i = 0; i < config->strategy.n_keys; i++)
        free(config->strategy.keys[i].name);
    free(config->strategy.keys);
}

/* ------------------------------------------------------------------ one line's key */

static uint32_t find_replica(struct keys *k, const char *name)
{
    if (!name || !*name)
        return UINT32_MAX;
    for (uint32_t i = 0; i < k->n_replicas; i++)
        if (strcmp(k->replicas[i], name) == 0)
            return i;
    k->replicas = mem_grow(k->replicas, (k->n_replicas + 1) * sizeof *k->replicas);
    k->replicas[k->n_replicas] = mem_text(name);
    return k->n_replicas++;
}

static void add_key(struct keys *k, const char *bytes, size_t len, uint32_t replica)
{
    if (k->texts_len + len > k->texts_room) {
        k->texts_room = (k->texts_len + len) * 2 + 4096;
        k->texts = mem_grow(k->texts, k->texts_room);
    }
    if (k->count == k->lines_room) {
        k->lines_room = k->lines_room * 2 + 1024;
        k->lines = mem_grow(k->lines, k->lines_room * sizeof *k->lines);
    }
    memcpy(k->texts + k->texts_len, bytes, len);
    k->lines[k->count++] = (struct keys_line){ .at = k->texts_len, .len = (uint32_t)len, .replica = replica };
    k->texts_len += len;
}

struct request {
    const char *target, *client, *request_id, *referer, *user_agent; /* NULL: not told */
    uint32_t replica;
};

static void read_client(const char *text, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){ 0 };
    if (text && inet_pton(AF_INET, text, &((struct sockaddr_in *)(void *)out)->sin_addr) == 1)
        out->ss_family = AF_INET;
    else if (text && inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)(void *)out)->sin6_addr) == 1)
        out->ss_family = AF_INET6;
}

/* The request is written as a head again, and read by what reads heads. */
static void take_request(struct reader *r, const struct request *q)
{
    struct head_field fields[FIELDS_MAX];
    struct head head;
    struct sockaddr_storage client;
    struct lb_key key;
    char text[KEY_TEXT];
    int len =
        snprintf(r->head, sizeof r->head, "GET %s HTTP/1.1\r\nHost: log\r\n", q->target ? q->target : "/");
    const char *const names[] = { "X-Request-Id", "Referer", "User-Agent" };
    const char *const values[] = { q->request_id, q->referer, q->user_agent };
    for (size_t i = 0; i < 3; i++)
        if (values[i] && *values[i] && len < HEAD_MAX)
            len += snprintf(r->head + len, sizeof r->head - (size_t)len, "%s: %s\r\n", names[i], values[i]);
    if (len < HEAD_MAX)
        len += snprintf(r->head + len, sizeof r->head - (size_t)len, "\r\n");
    uint64_t before = r->random;
    head_start(&head, fields, FIELDS_MAX, HEAD_MAX, UINT16_MAX);
    bool good = len < HEAD_MAX && head_parse_request(&head, r->head, (size_t)len) > 0;
    if (good) {
        read_client(q->client, &client);
        key_make(&r->config, &head, r->head, (const struct sockaddr *)&client, &r->random, text, &key);
    }
    if (good && r->random == before) /* else none of the sources was there */
        add_key(r->keys, key.bytes, key.len, q->replica);
    else
        r->keys->skipped++;
}

static const char *text_of(const json_t *line, const char *name)
{
    return json_string_value(json_object_get(line, name));
}

static bool take_json(struct reader *r, const char *line, size_t len)
{
    json_t *root = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return false;
    }
    const json_t *key = json_object_get(root, "key");
    struct request q = { .target = text_of(root, "target"),
                         .client = text_of(root, "client"),
                         .request_id = text_of(root, "request_id"),
                         .referer = text_of(root, "referer"),
                         .user_agent = text_of(root, "user_agent"),
                         .replica = find_replica(r->keys, text_of(root, "replica")) };
    if (json_is_string(key))
        add_key(r->keys, json_string_value(key), json_string_length(key), q.replica);
    else if (!key && q.target)
        take_request(r, &q);
    else
        r->keys->skipped++;
    json_decref(root);
    return true;
}

/* The text between two quotes, from *at on, which is moved behind it; NULL: there is none. A quote inside is \" or \x22.
 * The line is changed. */
static char *cut_quoted(char **at)
{
    char *begin = strchr(*at, '"'), *end = begin ? begin + 1 : NULL;
    while (end && *end && *end != '"')
        end += *end == '\\' && end[1] ? 2 : 1;
    if (!end || !*end)
        return NULL;
    *end = '\0';
    *at = end + 1;
    return begin + 1;
}

static bool take_combined(struct reader *r, char *line)
{
    char *at = strstr(line, "] \"");
    char *request = at ? cut_quoted(&at) : NULL;
    char *target = request ? strchr(request, ' ') : NULL;
    char *version = target ? strstr(target + 1, " HTTP/") : NULL;
    if (!version || !memchr(line, '[', (size_t)(request - line)))
        return false;
    *version = '\0';
    line[strcspn(line, " ")] = '\0';
    struct request q = { .target = target + 1, .client = line, .replica = UINT32_MAX };
    q.referer = cut_quoted(&at);
    q.user_agent = q.referer ? cut_quoted(&at) : NULL;
    if (q.referer && strcmp(q.referer, "-") == 0)
        q.referer = NULL;
    if (q.user_agent && strcmp(q.user_agent, "-") == 0)
        q.user_agent = NULL;
    take_request(r, &q);
    return true;
}

static void take_line(struct reader *r, char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        line[--len] = '\0';
    if (len == 0)
        return;
    if (line[0] == '{' && take_json(r, line, len))
        return;
    if (strlen(line) == len && strstr(line, "] \"")) {
        char *copy = mem_text(line);
        bool taken = take_combined(r, copy);
        free(copy);
        if (taken)
            return;
    }
    add_key(r->keys, line, len, UINT32_MAX);
}

/* ------------------------------------------------------------------ the file */

static bool read_lines(struct reader *r, FILE *in, const char *path, uint64_t most)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    while (r->keys->count < most && (len = getline(&line, &room, in)) >= 0)
        take_line(r, line, (size_t)len);
    free(line);
    if (ferror(in)) {
        lab_complain("cannot read %s: %s", path, strerror(errno));
        return false;
    }
    if (r->keys->count == 0)
        lab_complain("%s holds no key%s", path,
                     r->keys->skipped ? "; --key names what a request is known by" : "");
    return r->keys->count > 0;
}

bool keys_read_file(struct keys *k, const char *path, uint64_t most, const char *sources)
{
    struct reader *r = mem_zero(1, sizeof *r);
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    r->keys = k;
    k->count = 0;
    if (!in)
        lab_complain("cannot read %s: %s", path, strerror(errno));
    bool good = in && read_sources(&r->config, sources) && read_lines(r, in, path, most);
    if (in && in != stdin)
        fclose(in);
    free_sources(&r->config);
    free(r);
    return good;
}
