/*
 * hash_digest.c - MD5, SHA-1 or SHA-256 of a text made from the key, or from the member and the copy.
 *
 * Owns     algorithm, texts and contexts of an instance.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     contexts.h for libcrypto, template.h for the texts.
 * Thread   any: an instance is never written after create, but for the contexts, which are borrowed.
 *
 * Source   RFC 1321 (MD5), FIPS 180-4 (SHA-1, SHA-256), as libcrypto computes them. The texts are those of
 *          two founding programs: md5("ID-j") for copy j of a member and md5("I") for a request.
 * Gives    agreement with programs that place keys by such a digest, conf/presets/md5-1024.conf and
 *          md5-512.conf among them. Bits as well mixed as can be.
 * Cost     ten to fifteen times hash_xxh3 for a short key, md5 the dearest where the processor has
 *          instructions for the others. A place costs the same, and a ring asks for a thousand places a
 *          member.
 * Not for  anything but that agreement: hash_xxh3 spreads as well. It is no protection from clients who
 *          choose their keys either, whatever MD5 once was: everybody can compute it. hash_siphash is for
 *          them.
 *
 * The digest is one big-endian number. A ring of M slots wants it modulo M; a hash has 64 bits. When M is a
 * power of two the low 64 bits, that is the last eight bytes of the digest, are enough: that is modulo = 0.
 * For any other M set modulo = M too, and H and PHI are the whole digest modulo M.
 *
 * The number of a key or member ({id}) is written without leading zeros: "007" is 7. For a key or name that
 * is no number it is what the balancer made of it, 64 bits of XXH3; {key} and {name} are the bytes
 * themselves.
 */
#include "lb_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "contexts.h"
#include "template.h"

#define ID_DIGITS 20 /* of 2^64 - 1 */

struct text {
    struct template_piece pieces[TEMPLATE_MAX];
    unsigned count;
};

struct digest {
    struct contexts contexts;
    uint64_t modulo;
    struct text of_key, of_place;
};

/* What the pieces of a text are filled in with. */
struct subject {
    uint64_t id;
    const void *whole;
    size_t whole_len;
    uint32_t copy;
};

static const struct lb_option options[] = {
    { .name = "algorithm",
      .type = LB_TEXT,
      .dflt = "md5",
      .min = 3,
      .max = 6,
      .help = "md5, sha1 or sha256" },
    { .name = "key_text",
      .type = LB_TEXT,
      .dflt = "{key}",
      .min = 1,
      .max = TEMPLATE_MAX,
      .help = "what is digested for a key: {key} is its bytes, {id} its number" },
    { .name = "place_text",
      .type = LB_TEXT,
      .dflt = "{id}-{j}",
      .min = 1,
      .max = TEMPLATE_MAX,
      .help =
          "what is digested for a place: {id} is the member's number, {name} its ring name, {j} the copy" },
    { .name = "modulo",
      .type = LB_INT,
      .dflt = "0",
      .min = 0,
      .max = 4294967296.0,
      .help =
          "0: the low 64 bits of the digest; else the whole digest modulo this: the slots of the ring, when "
          "they are no power of two" },
    { .name = NULL },
};

/* ------------------------------------------------------------------ making */

/* libcrypto's name of an algorithm; NULL when it is none of ours. */
static const char *name_of(const char *algorithm)
{
    static const char *const ours[][2] = { { "md5", "MD5" }, { "sha1", "SHA1" }, { "sha256", "SHA2-256" } };

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (strcasecmp(algorithm, ours[i][0]) == 0)
            return ours[i][1];
    }
    return NULL;
}

static const struct template_name key_fields[] = { { "{key}", TEMPLATE_WHOLE },
                                                   { "{id}", TEMPLATE_ID },
                                                   { NULL, TEMPLATE_LITERAL } };
static const struct template_name place_fields[] = { { "{name}", TEMPLATE_WHOLE },
                                                     { "{id}", TEMPLATE_ID },
                                                     { "{j}", TEMPLATE_COPY },
                                                     { NULL, TEMPLATE_LITERAL } };

/* Fills in t from what was written. known says which fields there are, and the first two of them are those
 * without which all keys, or all members, would get one hash. */
static int parse(const char *option, const char *written, const struct template_name *known, struct text *t,
                 struct lb_error *why)
{
    const char *wrong;
    int tells_apart = 0;

    t->count = template_parse(written, known, t->pieces, &wrong);
    if (t->count == 0) {
        snprintf(why->text, sizeof why->text, "%s has \"%.16s\", where only %s%s%s%s%s can stand in braces",
                 option, wrong, known[0].name, known[2].name ? ", " : " and ", known[1].name,
                 known[2].name ? " and " : "", known[2].name ? known[2].name : "");
        return -1;
    }
    for (unsigned i = 0; i < t->count; i++)
        tells_apart |= t->pieces[i].field == TEMPLATE_WHOLE || t->pieces[i].field == TEMPLATE_ID;
    if (!tells_apart)
        snprintf(why->text, sizeof why->text, "%s has neither %s nor %s: all would get the same hash", option,
                 known[0].name, known[1].name);
    return tells_apart ? 0 : -1;
}

static int fill(struct digest *d, const union lb_value *values, struct lb_error *why)
{
    const char *algorithm = name_of(values[0].s);

    if (!algorithm) {
        snprintf(why->text, sizeof why->text, "algorithm \"%s\" is none of md5, sha1 and sha256",
                 values[0].s);
        return -1;
    }
    if (parse("key_text", values[1].s, key_fields, &d->of_key, why) ||
        parse("place_text", values[2].s, place_fields, &d->of_place, why))
        return -1;
    d->modulo = (uint64_t)values[3].i;
    if (d->modulo == 1) {
        snprintf(why->text, sizeof why->text,
                 "modulo is 1, and every number is 0 modulo 1: write the slots of the "
                 "ring, or 0");
        return -1;
    }
    if (contexts_open(&d->contexts, algorithm)) {
        snprintf(why->text, sizeof why->text,
                 "libcrypto gives no %s: its configuration may forbid it (FIPS mode forbids md5), or memory "
                 "ran out",
                 algorithm);
        return -1;
    }
    return 0;
}

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    struct digest *d = calloc(1, sizeof *d);

    if (!d) {
        snprintf(why->text, sizeof why->text, "no memory for a digest");
        return -1;
    }
    if (fill(d, values, why)) {
        free(d);
        return -1;
    }
    *self = d;
    return 0;
}

static void destroy(void *self)
{
    struct digest *d = self;

    contexts_close(&d->contexts);
    free(d);
}

/* ------------------------------------------------------------------ hashing */

/* The decimal digits of number, at the end of room; returns where they begin. */
static char *write_number(uint64_t number, char room[ID_DIGITS])
{
    char *at = room + ID_DIGITS;

    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    return at;
}

static int update(EVP_MD_CTX *evp, const struct template_piece *piece, const struct subject *s)
{
    char room[ID_DIGITS], *digits;

    switch (piece->field) {
    case TEMPLATE_LITERAL: return EVP_DigestUpdate(evp, piece->literal, piece->len);
    case TEMPLATE_WHOLE: return EVP_DigestUpdate(evp, s->whole, s->whole_len);
    default: break;
    }
    digits = write_number(piece->field == TEMPLATE_ID ? s->id : s->copy, room);
    return EVP_DigestUpdate(evp, digits, (size_t)(room + ID_DIGITS - digits));
}

/* The big-endian number of 4 n bytes: its low 64 bits, or modulo what is at most 2^32. */
static uint64_t reduce(const unsigned char *bytes, unsigned size, uint64_t modulo)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < size; i += 4) {
        uint32_t word = (uint32_t)bytes[i] << 24 | (uint32_t)bytes[i + 1] << 16 |
                        (uint32_t)bytes[i + 2] << 8 | bytes[i + 3];

        number = number << 32 | word;
        if (modulo)
            number %= modulo;
    }
    return number;
}

/* Digesting fails only when OpenSSL 3.0 has no memory for starting a context again. Then the program ends,
 * as it does wherever memory is refused: any other answer would be a wrong one. */
static uint64_t hash(const struct digest *d, const struct text *t, const struct subject *s)
{
    struct context *context = contexts_borrow(&d->contexts);
    unsigned char bytes[EVP_MAX_MD_SIZE];
    int fine = EVP_DigestInit_ex2(context->evp, NULL, NULL);

    for (unsigned i = 0; fine && i < t->count; i++)
        fine = update(context->evp, &t->pieces[i], s);
    fine = fine && EVP_DigestFinal_ex(context->evp, bytes, NULL);
    contexts_give_back(context);
    if (!fine)
        abort();
    return reduce(bytes, d->contexts.digest_size, d->modulo);
}

static uint64_t hash_key(const void *self, const struct lb_key *key)
{
    const struct digest *d = self;

    return hash(d, &d->of_key,
                &(struct subject){ .id = key->id, .whole = key->bytes, .whole_len = key->len });
}

static uint64_t hash_place(const void *self, const struct lb_member *member, uint32_t copy)
{
    const struct digest *d = self;

    return hash(d, &d->of_place,
                &(struct subject){
                    .id = member->id, .whole = member->key, .whole_len = member->key_len, .copy = copy });
}

static const struct lb_hash_ops ops = {
    .struct_size = sizeof ops, .create = create, .destroy = destroy, .key = hash_key, .place = hash_place
};

static const struct lb_plugin plugin = LB_PLUGIN(
    LB_HASH, "hash_digest", "1.0", "MD5, SHA-1 or SHA-256 of a text of key or member", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
