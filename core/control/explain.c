/*
 * explain.c - /_lb/explain?key=K: why this key goes where it goes.
 *
 * Owns     the shape of the answer, and the questions under way.
 * Used by  routes.c.
 * Uses     builder.h, publish.h, world/asker.h; libcurl to decode the key, jansson to answer.
 * Thread   control; explain_work and what it calls run on the builder thread.
 *
 * Asked is the table in force, with the live blocks that the workers see, as path/pick.c asks it: a member that is
 * unready, or full under strategy.bounded_load, is marked tried and the next question follows at once. A later attempt
 * is a request that failed on all earlier ones.
 * A job holds references to the table and the replicas, so that no publication can take them away meanwhile.
 */
#include "control/explain.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/builder.h"
#include "control/call.h"
#include "control/publish.h"
#include "control/routes.h"
#include "world/asker.h"
#include "world/config.h"
#include "world/load.h"
#include "world/plugin.h"
#include "world/replica.h"
#include "world/strategy.h"
#include "world/view.h"

#define ATTEMPTS    4
#define FACTS_MAX   256 /* of one question; a plugin that tells more is cut, and the answer says so */
#define SKIPPED_MAX 64  /* told of one attempt; the rest is skipped in silence */
#define REPEATS_MAX 4   /* as path/pick.c */

struct explain_job {
    struct letter_built built;
    struct call *call; /* answered in done; gone when the balancer leaves, and then drop is called */
    char *key;
    size_t key_len;
    uint64_t generation;
    struct table *table; /* a reference; so for each replica */
    uint32_t n_replicas;
    struct replica **replicas;
    const struct lb_live **live;
    uint64_t bound;    /* strategy.bounded_load in thousandths; 0: none */
    uint64_t requests; /* in flight in the pool, and this one */
    uint64_t weights;  /* the builder's, as what follows: of those that may get this attempt */
    struct asker asker;
    json_t *answer;
};

/* Where a scheduler's facts go. */
struct telling {
    const struct explain_job *job;
    json_t *facts;
    size_t left_out;
};

static void put(json_t *out, const char *name, json_t *value)
{
    json_object_set_new(out, name, value);
}

/* ------------------------------------------------------------------ what the scheduler tells */

/* An integer of JSON is signed: beyond, its digits stand in a text. */
static json_t *render_number(uint64_t value)
{
    if (value <= INT64_MAX)
        return json_integer((json_int_t)value);
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return json_string(text);
}

static json_t *render_hex(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "0x%016" PRIx64, value);
    return json_string(text);
}

static void add_fact(void *ctx, const char *name, const char *kind, json_t *value)
{
    struct telling *t = ctx;
    if (json_array_size(t->facts) >= FACTS_MAX) {
        t->left_out++;
        json_decref(value);
        return;
    }
    json_t *fact = json_object();
    put(fact, "name", json_any_text(name));
    put(fact, kind, value);
    json_array_append_new(t->facts, fact);
}

static void tell_number(void *ctx, const char *name, uint64_t value)
{
    add_fact(ctx, name, "number", render_number(value));
}

static void tell_text(void *ctx, const char *name, const char *value)
{
    add_fact(ctx, name, "text", json_any_text(value));
}

static void tell_member(void *ctx, const char *name, uint32_t member)
{
    const struct explain_job *job = ((struct telling *)ctx)->job;
    add_fact(ctx, name, "member",
             json_any_text(member < job->n_replicas ? job->replicas[member]->name : NULL));
}

/* Of a plugin built when lb_scheduler_ops was shorter, nothing stands where explain would. */
static bool has_explain(const struct lb_scheduler_ops *ops)
{
    return ops->struct_size >= offsetof(struct lb_scheduler_ops, explain) + sizeof ops->explain &&
           ops->explain;
}

/* ------------------------------------------------------------------ asking */

/* The most a member may hold, itself included: ceil(c * T * w / W), as path/pick.h has it. 0: any number. */
static uint64_t bound_of(const struct explain_job *job, uint32_t member)
{
    uint64_t unit = 1000 * job->weights, most = job->bound * job->requests;
    return job->bound && unit
               ? (uint64_t)(((lb_u128)most * job->table->members[member].weight + unit - 1) / unit)
               : 0;
}

static json_t *render_member(const struct explain_job *job, uint32_t member)
{
    const struct replica *r = job->replicas[member];
    const struct table *t = job->table;
    uint64_t bound = bound_of(job, member);
    json_t *out = json_object();
    put(out, "name", json_any_text(r->name));
    put(out, "ring_name", json_any_text(r->ring_name));
    put(out, "ready", json_boolean(replica_is_ready(r)));
    put(out, "in_flight", json_integer((json_int_t)replica_in_flight(r)));
    put(out, "bound", bound ? json_integer((json_int_t)bound) : json_null());
    put(out, "share", t->shares ? json_real(t->shares[member]) : json_null());
    return out;
}

/* One question; the facts, if any, go into out. */
static uint32_t ask(struct explain_job *job, const struct lb_key *key, uint32_t number, json_t *out)
{
    const struct lb_scheduler_ops *ops = job->table->strategy->ops;
    struct telling telling = { .job = job, .facts = json_array() };
    struct lb_explain say = { .struct_size = sizeof say,
                              .ctx = &telling,
                              .number = tell_number,
                              .text = tell_text,
                              .member = tell_member };
    struct lb_pick question;
    uint32_t member;
    if (has_explain(ops)) {
        asker_question(&job->asker, key, number, &question);
        member = ops->explain(job->table->made, &question, job->asker.scratch, &say);
    } else {
        member = asker_ask(&job->asker, key, number);
    }
    put(out, "facts", telling.facts);
    if (telling.left_out)
        put(out, "facts_left_out", json_integer((json_int_t)telling.left_out));
    return member < job->n_replicas ? member : LB_NONE;
}

static bool is_tried(const struct explain_job *job, uint32_t member)
{
    return job->asker.tried[member >> 6] >> (member & 63) & 1;
}

/* NULL, or why a worker would pass it by. */
static const char *find_obstacle(const struct explain_job *job, uint32_t member)
{
    const struct replica *r = job->replicas[member];
    uint64_t bound = bound_of(job, member);
    if (!replica_is_ready(r))
        return "unready";
    return bound && replica_in_flight(r) >= bound ? "full" : NULL;
}

/* Asks until a member is named that may have the request; those that may not go into skipped. */
static uint32_t ask_until_free(struct explain_job *job, const struct lb_key *key, uint32_t number,
                               json_t *out, json_t *skipped)
{
    for (unsigned repeated = 0; repeated <= REPEATS_MAX; number++) {
        uint32_t member = ask(job, key, number, out);
        if (member == LB_NONE)
            return LB_NONE;
        if (is_tried(job, member)) {
            repeated++; /* a member it was told not to name */
            continue;
        }
        const char *why = find_obstacle(job, member);
        if (!why)
            return member;
        asker_mark(&job->asker, member);
        if (json_array_size(skipped) >= SKIPPED_MAX)
            continue;
        json_t *passed = render_member(job, member);
        put(passed, "why", json_string(why));
        put(passed, "facts", json_incref(json_object_get(out, "facts")));
        json_array_append_new(skipped, passed);
    }
    return LB_NONE;
}

static uint64_t sum_weights(const struct explain_job *job)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < job->n_replicas; i++)
        if (replica_is_ready(job->replicas[i]) && !is_tried(job, i))
            sum += job->table->members[i].weight;
    return sum;
}

static json_t *render_attempts(struct explain_job *job, const struct lb_key *key)
{
    json_t *out = json_array();
    uint32_t failed[ATTEMPTS];
    for (uint32_t number = 0; number < ATTEMPTS; number++) {
        json_t *attempt = json_object(), *skipped = json_array();
        put(attempt, "attempt", json_integer(number));
        asker_forget(&job->asker);
        for (uint32_t i = 0; i < number; i++)
            asker_mark(&job->asker, failed[i]);
        job->weights = sum_weights(job);
        uint32_t member = ask_until_free(job, key, number, attempt, skipped);
        put(attempt, "member", member == LB_NONE ? json_null() : render_member(job, member));
        put(attempt, "skipped", skipped);
        json_array_append_new(out, attempt);
        if (member == LB_NONE)
            break; /* nobody is left: a request would be told 503 */
        failed[number] = member;
    }
    return out;
}

/* ------------------------------------------------------------------ the answer */

static json_t *render_key(const struct lb_key *key)
{
    json_t *out = json_object();
    char id[24];
    snprintf(id, sizeof id, "%" PRIu64, key->id);
    put(out, "text", json_any_text(key->bytes));
    put(out, "bytes", json_integer((json_int_t)key->len));
    put(out, "id", key->flags & LB_KEY_INTEGER ? json_integer((json_int_t)key->id) : json_string(id));
    put(out, "integer", json_boolean(key->flags & LB_KEY_INTEGER));
    return out;
}

static json_t *render_plugin(const struct plugin *plugin)
{
    return json_any_text(plugin ? plugin->info->name : NULL);
}

static void explain_work(struct letter_built *built)
{
    struct explain_job *job = (struct explain_job *)built;
    const struct strategy *s = job->table->strategy;
    struct lb_key key = { .bytes = job->key, .len = job->key_len };
    json_t *out = json_object(), *strategy = json_object();

    strategy_key_finish(&key);
    put(out, "key", render_key(&key));
    put(out, "generation", json_integer((json_int_t)job->generation));
    put(strategy, "scheduler", render_plugin(s->scheduler));
    put(strategy, "hash", render_plugin(s->hash));
    put(strategy, "probe", render_plugin(s->probe));
    put(out, "strategy", strategy);
    put(out, "keyed", json_boolean((s->caps & LB_CAP_KEYED) != 0));
    put(out, "hash", s->with_hash.ops ? render_hex(strategy_hash(s, &key)) : json_null());
    put(out, "explains", json_boolean(has_explain(s->ops)));
    asker_open(&job->asker, job->table, job->live);
    put(out, "attempts", render_attempts(job, &key));
    asker_close(&job->asker);

    job->answer = json_object();
    put(job->answer, "message", out);
    put(job->answer, "status", json_string("successful"));
}

static void explain_drop(struct letter_built *built)
{
    struct explain_job *job = (struct explain_job *)built;
    for (uint32_t i = 0; i < job->n_replicas; i++)
        replica_release(job->replicas[i]);
    table_release(job->table);
    json_decref(job->answer);
    free(job->replicas);
    free(job->live);
    free(job->key);
    free(job);
}

static void explain_done(struct letter_built *built)
{
    struct explain_job *job = (struct explain_job *)built;
    call_answer(job->call, 200, json_incref(job->answer), JSON_COMPACT);
    explain_drop(built);
}

/* ------------------------------------------------------------------ the question */

/* The decoded value of name in a query, terminated; NULL when it is not there. The caller frees it. */
static char *find_in_query(const char *query, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    for (const char *at = query; *at; at += *at == '&') {
        size_t pair = strcspn(at, "&");
        if (pair > name_len && at[name_len] == '=' && memcmp(at, name, name_len) == 0) {
            int decoded_len = 0;
            char *decoded =
                curl_easy_unescape(NULL, at + name_len + 1, (int)(pair - name_len - 1), &decoded_len);
            if (!decoded)
                return NULL;
            char *value = mem_alloc((size_t)decoded_len + 1);
            memcpy(value, decoded, (size_t)decoded_len);
            value[decoded_len] = '\0';
            *len = (size_t)decoded_len;
            curl_free(decoded);
            return value;
        }
        at += pair;
    }
    return NULL;
}

void explain_show(struct call *call)
{
    size_t len = 0;
    char *key = find_in_query(call->query, "key", &len);
    if (!key || len == 0) {
        free(key);
        call_fail(call, 400, "which key? ask for /_lb/explain?key=132574");
        return;
    }
    const struct view *view = publish_view(call->routes->publish);
    const struct pool *pool = &view->pools[0];
    struct explain_job *job = mem_zero(1, sizeof *job);
    job->built = (struct letter_built){ .work = explain_work, .done = explain_done, .drop = explain_drop };
    job->call = call;
    job->key = key;
    job->key_len = len;
    job->generation = view->generation;
    job->bound = view->config->strategy.bounded_load;
    job->requests = pool->load ? load_total(pool->load) + 1u : 1;
    job->table = pool->table;
    table_retain(job->table);
    job->n_replicas = pool->n_replicas;
    job->replicas = mem_zero(pool->n_replicas + 1u, sizeof *job->replicas);
    job->live = mem_zero(pool->n_replicas + 1u, sizeof *job->live);
    for (uint32_t i = 0; i < pool->n_replicas; i++) {
        job->replicas[i] = pool->replicas[i];
        job->live[i] = pool->live[i];
        replica_retain(job->replicas[i]);
    }
    builder_post(call->routes->builder, &job->built);
}
