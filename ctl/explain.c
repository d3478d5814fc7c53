/*
 * explain.c - ringctl explain: why a key goes where it goes, asked of a running balancer.
 *
 * Owns     one request to the admin port.
 * Used by  main.c.
 * Uses     libcurl, jansson; GET /_lb/explain.
 * Thread   the program's only one.
 */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ringctl.h"

#define CONNECT_MS 5000L
#define ANSWER_MS  30000L
#define BODY_MAX   (64u << 20)

struct body {
    char *text; /* terminated */
    size_t len;
};

/* ------------------------------------------------------------------ asking */

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct body *b = arg;
    size_t len = size * count;
    if (b->len + len > BODY_MAX)
        return 0;
    b->text = mem_grow(b->text, b->len + len + 1);
    memcpy(b->text + b->len, bytes, len);
    b->len += len;
    b->text[b->len] = '\0';
    return len;
}

/* The HTTP status, or 0 after a complaint. */
static long get(const struct args *a, CURL *curl, const char *url, struct body *body)
{
    char error[CURL_ERROR_SIZE] = "";
    long status = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ANSWER_MS);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        complain("no answer from the admin port %s: %s; is the balancer running, and is this its `admin`?",
                 a->admin, *error ? error : curl_easy_strerror(code));
        return 0;
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* ------------------------------------------------------------------ telling */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "-";
}

static void print_fact(const json_t *fact)
{
    const json_t *number = json_object_get(fact, "number");
    const char *text = json_string_value(json_object_get(fact, "text"));
    if (!text)
        text = json_string_value(json_object_get(fact, "member"));
    if (!text)
        text = json_string_value(number);
    if (text)
        printf("             %-20s %s\n", text_of(fact, "name"), text);
    else
        printf("             %-20s %" JSON_INTEGER_FORMAT "\n", text_of(fact, "name"),
               json_integer_value(number));
}

static void print_facts(const json_t *of)
{
    size_t i;
    json_t *fact;
    json_array_foreach(json_object_get(of, "facts"), i, fact)
        print_fact(fact);
}

static void print_member(const json_t *member)
{
    const char *name = text_of(member, "name"), *ring_name = text_of(member, "ring_name");
    printf("%s", name);
    if (strcmp(name, ring_name) != 0)
        printf(" (in the ring place of %s)", ring_name);
    printf(", %lld in flight", (long long)json_integer_value(json_object_get(member, "in_flight")));
    const json_t *bound = json_object_get(member, "bound"), *share = json_object_get(member, "share");
    if (json_is_integer(bound))
        printf(" of at most %lld", (long long)json_integer_value(bound));
    if (json_is_real(share))
        printf(", owns %.2f %% of the slots", 100 * json_real_value(share));
    putchar('\n');
}

static void print_attempt(const json_t *attempt)
{
    size_t i;
    json_t *passed;
    const json_t *member = json_object_get(attempt, "member");
    json_array_foreach(json_object_get(attempt, "skipped"), i, passed)
        printf("             skipped, %-11s %s\n", text_of(passed, "why"), text_of(passed, "name"));
    printf("attempt %lld    ", (long long)json_integer_value(json_object_get(attempt, "attempt")));
    if (json_is_object(member))
        print_member(member);
    else
        puts("nobody is left: a request would get 503");
    print_facts(attempt);
}

static void print_story(const json_t *message)
{
    size_t i;
    json_t *attempt;
    const json_t *key = json_object_get(message, "key"), *strategy = json_object_get(message, "strategy");
    bool is_integer = json_is_true(json_object_get(key, "integer"));
    printf("key          %s (%s)\n", text_of(key, "text"), is_integer ? "an integer" : "not an integer");
    if (!is_integer)
        printf("id           %s\n", text_of(key, "id"));
    printf("hash         %s by %s\n", text_of(message, "hash"), text_of(strategy, "hash"));
    printf("strategy     %s, %s, %s; generation %lld\n", text_of(strategy, "scheduler"),
           text_of(strategy, "hash"), text_of(strategy, "probe"),
           (long long)json_integer_value(json_object_get(message, "generation")));
    if (!json_is_true(json_object_get(message, "keyed")))
        puts("             the key does not choose the member: this is what the scheduler would do now");
    if (!json_is_true(json_object_get(message, "explains")))
        puts("             the scheduler does not explain itself: only its choice is known");
    json_array_foreach(json_object_get(message, "attempts"), i, attempt)
        print_attempt(attempt);
}

static int tell(const struct args *a, long status, const struct body *body)
{
    json_error_t error;
    json_t *root = body->text ? json_loadb(body->text, body->len, 0, &error) : NULL;
    const json_t *message = json_object_get(root, "message");
    int code = RINGCTL_OK;
    if (status != 200 || !json_is_object(message))
        code = complain("%s answered %ld: %s", a->admin, status,
                        json_is_string(message) ? json_string_value(message) : "not what a balancer says");
    else if (a->json)
        puts(body->text);
    else
        print_story(message);
    json_decref(root);
    return code;
}

int explain_key(const struct args *a)
{
    CURL *curl = curl_easy_init();
    char *escaped = curl ? curl_easy_escape(curl, a->words[0], 0) : NULL;
    if (!*a->words[0] || !escaped) {
        curl_free(escaped);
        curl_easy_cleanup(curl);
        complain("a key has at least one byte");
        return RINGCTL_USAGE;
    }
    char *url = mem_format("http://%s/_lb/explain?key=%s", a->admin, escaped);
    struct body body = { 0 };
    long status = get(a, curl, url, &body);
    int code = status ? tell(a, status, &body) : RINGCTL_FAILED;
    free(body.text);
    free(url);
    curl_free(escaped);
    curl_easy_cleanup(curl);
    return code;
}
