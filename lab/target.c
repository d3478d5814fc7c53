/*
 * target.c - attaching to a balancer and steering it: see target.h.
 *
 * Owns     nothing beyond struct target.
 * Used by  the experiments.
 * Uses     http.h, conf.h, target_spawn.c.
 * Thread   the program's main one.
 */
#include "lab/target.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "lab/conf.h"
#include "lab/lab.h"

#define ANSWER_MS 30000

/* ------------------------------------------------------------------ places */

char *target_bin(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return mem_text(dirname(path));
}

/* The first of them that is there; the others are freed. */
static char *first_existing(char **paths, size_t n)
{
    char *found = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!found && access(paths[i], R_OK) == 0)
            found = paths[i];
        else
            free(paths[i]);
    }
    return found;
}

static char *find_conf(const char *name)
{
    char *bin = target_bin();
    char *paths[] = { mem_format("conf/%s", name), mem_format("%s/conf/%s", RM_SOURCE_DIR, name),
                      mem_format("%s/%s/%s", bin, RM_BIN_TO_CONF, name) };
    free(bin);
    return first_existing(paths, sizeof paths / sizeof *paths);
}

char *target_shipped_conf(void)
{
    return find_conf("lb.conf");
}

char *target_presets(void)
{
    return find_conf("presets");
}

/* ------------------------------------------------------------------ attaching */

static char *base_of(const char *url)
{
    const char *at = strstr(url, "://");
    size_t scheme = at ? (size_t)(at - url) + 3 : 0;
    return mem_format("%s%.*s", at ? "" : "http://", (int)(scheme + strcspn(url + scheme, "/?")), url);
}

bool target_attach(struct target *t, const char *url, const char *admin, const char *conf)
{
    *t = (struct target){ .url = base_of(url),
                          .admin = admin && *admin ? base_of(admin) : NULL,
                          .conf = mem_text(conf),
                          .base_conf = mem_text(conf) };
    struct names rep;
    if (!http_open(&t->http) || !target_rep(t, &rep)) {
        target_close(t);
        return false;
    }
    names_free(&rep);
    return true;
}

json_t *target_state(struct target *t)
{
    if (!t->admin) {
        snprintf(t->http.error, sizeof t->http.error, "no admin port was named");
        return NULL;
    }
    char *url = mem_format("%s/_lb/state", t->admin);
    json_t *state = http_get_json(&t->http, url, ANSWER_MS);
    free(url);
    return state;
}

/* ------------------------------------------------------------------ replicas */

void names_free(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->items[i]);
    free(n->items);
    *n = (struct names){ 0 };
}

bool target_rep(struct target *t, struct names *out)
{
    char *url = mem_format("%s/rep", t->url);
    json_t *root = http_get_json(&t->http, url, ANSWER_MS), *item;
    const json_t *list = json_object_get(json_object_get(root, "message"), "replicas");
    size_t i;
    *out = (struct names){ 0 };
    if (json_is_array(list)) {
        out->items = mem_zero(json_array_size(list) + 1, sizeof *out->items);
        json_array_foreach(list, i, item)
            if (json_is_string(item))
                out->items[out->count++] = mem_text(json_string_value(item));
    } else if (root) {
        lab_complain("%s is not what a balancer answers; is this its --url?", url);
    } else {
        lab_complain("no balancer at %s: %s", t->url, t->http.error);
    }
    json_decref(root);
    free(url);
    return out->items != NULL;
}

/* DELETE /rm or POST /add with these names. */
static bool change(struct target *t, const char *method, const char *route, char *const *names, size_t count)
{
    struct http_answer a;
    json_t *body = json_object(), *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(names[i]));
    json_object_set_new(body, "n", json_integer((json_int_t)count));
    json_object_set_new(body, "hostnames", list);
    char *text = json_dumps(body, JSON_COMPACT), *url = mem_format("%s%s", t->url, route);
    bool done = http_ask(&t->http, method, url, text, ANSWER_MS, &a);
    if (!done)
        lab_complain("%s %s: %s", method, url, t->http.error);
    else if (a.status != 200)
        lab_complain("%s %s %s was answered %ld: %.300s", method, url, text, a.status, a.body);
    done = done && a.status == 200;
    http_answer_free(&a);
    json_decref(body);
    free(text);
    free(url);
    return done;
}

static bool has(char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Those of a that are not in b; the items are a's. */
static struct names without(char *const *a, size_t n_a, char *const *b, size_t n_b)
{
    struct names out = { .items = mem_zero(n_a + 1, sizeof *out.items) };
    for (size_t i = 0; i < n_a; i++)
        if (!has(b, n_b, a[i]))
            out.items[out.count++] = a[i];
    return out;
}

bool target_set(struct target *t, char *const *names, size_t count)
{
    struct names now;
    if (!target_rep(t, &now))
        return false;
    struct names add = without(names, count, now.items, now.count);
    struct names rm = without(now.items, now.count, names, count);
    bool done = (add.count == 0 || change(t, "POST", "/add", add.items, add.count)) &&
                (rm.count == 0 || change(t, "DELETE", "/rm", rm.items, rm.count));
    free(add.items);
    free(rm.items);
    names_free(&now);
    return done;
}

/* ------------------------------------------------------------------ configuration */

static char *read_text(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t room = 0;
    if (!f)
        return NULL;
    ssize_t n = getdelim(&text, &room, '\0', f);
    fclose(f);
    if (n >= 0)
        return text;
    free(text);
    return NULL;
}

static bool write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    bool done = f && fputs(text, f) >= 0;
    if (f && fclose(f) != 0)
        done = false;
    if (!done)
        lab_complain("cannot write %s: %s", path, strerror(errno));
    return done;
}

static bool post_reload(struct target *t)
{
    struct http_answer a;
    char *url = mem_format("%s/reload", t->url);
    bool done = http_ask(&t->http, "POST", url, "", ANSWER_MS, &a);
    if (!done)
        lab_complain("POST %s: %s", url, t->http.error);
    else if (a.status != 200)
        lab_complain("POST %s was answered %ld: %.600s", url, a.status, a.body);
    done = done && a.status == 200;
    http_answer_free(&a);
    free(url);
    return done;
}

bool target_reload(struct target *t, const struct conf_edit *edit)
{
    if (!t->conf) {
        lab_complain("other strategies need the balancer's configuration: name its file with --conf, or take "
                     "--spawn");
        return false;
    }
    if (!t->pid && !t->saved) {
        t->saved = read_text(t->conf);
        char *copy = mem_format("%s.before-ringlab", t->conf);
        bool kept = t->saved && write_text(copy, t->saved);
        if (kept) {
            free(t->base_conf);
            t->base_conf = copy; /* beside it, so that relative names in it keep their meaning */
        } else {
            free(copy);
            return false;
        }
    }
    return conf_write(t->base_conf, edit, t->conf) && post_reload(t);
}

static void restore(struct target *t)
{
    if (!t->saved)
        return;
    if (write_text(t->conf, t->saved)) {
        post_reload(t);
        unlink(t->base_conf);
    }
    free(t->saved);
    t->saved = NULL;
}

void target_close(struct target *t)
{
    if (t->http.curl)
        restore(t);
    target_stop(t);
    http_close(&t->http);
    free(t->url);
    free(t->admin);
    free(t->conf);
    free(t->base_conf);
    *t = (struct target){ 0 };
}
