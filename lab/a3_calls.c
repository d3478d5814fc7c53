/*
 * a3_calls.c - every endpoint, with the request as it was sent and the answer as it came.
 *
 * Owns     the list of calls and the status that each must have.
 * Used by  a3.c.
 * Uses     http.h, experiment.h.
 * Thread   the program's main one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/a3.h"
#include "lab/experiment.h"
#include "lab/lab.h"

#define ANSWER_MS   30000
#define SHOWN_BYTES 400

struct call {
    const char *method, *path, *body; /* path beginning with '@': on the admin port */
    long status;
    const char *says; /* what it shows */
};

/* In this order: what is added is removed again. */
static const struct call calls[] = {
    { "GET", "/rep", NULL, 200, "who is in rotation" },
    { "GET", "/home", NULL, 200, "a replica answers, chosen by a random key" },
    { "GET", "/request?request_id=132574", NULL, 200, "chosen by the request's id" },
    { "GET", "/request?request_id=132574", NULL, 200,
      "the same id, the same replica (where the strategy has keys)" },
    { "GET", "/heartbeat", NULL, 200, "an empty answer" },
    { "GET", "/other", NULL, 400, "an unknown endpoint is the replica's to refuse" },
    { "POST", "/add", "{\"n\": 2, \"hostnames\": [\"S5\"]}", 200, "one by name, one called by chance" },
    { "POST", "/add", "server_id=S6", 200, "the same as a form" },
    { "POST", "/add", "{\"n\": 1, \"hostnames\": [\"S7\", \"S8\"]}", 400, "more names than replicas" },
    { "POST", "/add", "{\"n\": -1}", 400, "no such number" },
    { "POST", "/add", "{\"n\": ", 400, "broken JSON" },
    { "GET", "/add", NULL, 405, "GET changes nothing" },
    { "DELETE", "/rm", "{\"n\": 1, \"hostnames\": [\"S5\"]}", 200, "removed by name" },
    { "POST", "/rm", "server_id=S6", 200, "POST does as well" },
    { "DELETE", "/rm", "{\"n\": 1, \"hostnames\": [\"nobody\"]}", 400,
      "nobody of that name: nothing is removed" },
    { "DELETE", "/rm", "{\"n\": 1, \"hostnames\": [\"a\", \"b\"]}", 400,
      "more names than replicas to remove" },
    { "DELETE", "/rm", NULL, 200, "one by chance" },
    { "GET", "/requests/nobody", NULL, 404, "ids of a replica that is not there" },
    { "POST", "/reload", "", 200, "the configuration, read again" },
    { "GET", "/performancegraph", NULL, 200, "a picture of how requests ended" },
    { "GET", "@/_lb/state", NULL, 200, "everything there is to know" },
    { "GET", "@/_lb/explain?key=132574", NULL, 200, "why this key goes where it goes" },
};

static void write_text(FILE *f, const struct call *c, const char *url, const struct http_answer *a)
{
    fprintf(f, "# %s\n%s %s\n", c->says, c->method, url);
    if (c->body)
        fprintf(f, "\n%s\n", c->body);
    fprintf(f, "\n-> %ld%s%s, %.2f ms\n%s\n\n", a->status, *a->type ? ", " : "", a->type, a->ms,
            strncmp(a->type, "image/", 6) == 0 ? "(a picture)" : a->body);
}

static void write_row(FILE *f, const struct call *c, const struct http_answer *a, bool good)
{
    char shown[SHOWN_BYTES + 1];
    snprintf(shown, sizeof shown, "%s", strncmp(a->type, "image/", 6) == 0 ? "(a picture)" : a->body);
    for (char *at = shown; *at; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    fprintf(f, "%s,", c->method);
    out_csv_text(f, c->path + (*c->path == '@'));
    fputc(',', f);
    out_csv_text(f, c->body ? c->body : "");
    fprintf(f, ",%ld,%ld,%s,%.3f,", a->status, c->status, good ? "yes" : "no", a->ms);
    out_csv_text(f, shown);
    fputc('\n', f);
}

static json_t *row_json(const struct call *c, const struct http_answer *a, bool good)
{
    char shown[SHOWN_BYTES + 1];
    snprintf(shown, sizeof shown, "%s", strncmp(a->type, "image/", 6) == 0 ? "(a picture)" : a->body);
    json_t *text = json_string(shown); /* NULL when the cut went through a letter */
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:f, s:o}", "method", c->method, "path",
                     c->path + (*c->path == '@'), "body", c->body ? c->body : "", "shows", c->says, "status",
                     (json_int_t)a->status, "expected", (json_int_t)c->status, "as_expected", good, "ms",
                     a->ms, "answer", text ? text : json_string(""));
}

json_t *a3_calls(struct experiment *e, struct out *o, bool *as_expected)
{
    FILE *csv = out_file(o, "calls.csv"), *text = out_file(o, "calls.txt");
    json_t *out = json_array();
    *as_expected = true;
    if (csv)
        fputs("method,path,body,status,expected_status,as_expected,ms,answer\n", csv);
    for (size_t i = 0; csv && text && i < sizeof calls / sizeof *calls; i++) {
        const struct call *c = &calls[i];
        bool admin = *c->path == '@';
        struct http_answer a;
        if (admin && !e->target.admin)
            continue;
        char *url = mem_format("%s%s", admin ? e->target.admin : e->target.url, c->path + admin);
        bool answered = http_ask(&e->target.http, c->method, url, c->body, ANSWER_MS, &a);
        bool good = answered && a.status == c->status;
        *as_expected &= good;
        write_row(csv, c, &a, good);
        write_text(text, c, url, &a);
        json_array_append_new(out, row_json(c, &a, good));
        printf("  %s %-6s %-32s %-42s %3ld  %7.2f ms\n", good ? "ok  " : "NOT ", c->method, c->path + admin,
               c->body ? c->body : "", a.status, a.ms);
        if (!answered)
            lab_complain("%s %s: %s", c->method, url, e->target.http.error);
        http_answer_free(&a);
        free(url);
        if (!answered)
            break;
    }
    out_end(o, csv, "calls.csv");
    out_end(o, text, "calls.txt");
    return out;
}
