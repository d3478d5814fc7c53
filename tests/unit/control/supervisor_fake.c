/*
 * supervisor_fake.c - a supervisor on a bench: its spawner, its heartbeats and its publisher are the test's
 * hands.
 *
 * Owns     the fakes and what they saw.
 * Used by  test_supervisor*.c.
 * Thread   the test's.
 */
#include "unit/control/supervisor_fake.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

/* ------------------------------------------------------------------ the spawner */

static struct bench *the_bench;               /* one at a time; the fakes' open has no argument to pass it */
static const struct spawner_found *the_found; /* of the next one */
static size_t n_found;

struct spawner {
    struct spawner_hooks hooks;
};

static struct spawner *open_fake(struct event_base *base, struct config *config,
                                 const struct spawner_hooks *hooks, char *why, size_t why_size)
{
    (void)base;
    (void)config;
    (void)why;
    (void)why_size;
    struct spawner *s = mem_zero(1, sizeof *s);
    s->hooks = *hooks;
    return s;
}

static void apply_fake(struct spawner *s, struct config *next)
{
    (void)s;
    (void)next;
}

static struct spawned *start_fake(struct spawner *s, const struct spawner_order *order)
{
    struct spawned *one = mem_zero(1, sizeof *one);
    one->owner = s;
    one->tag = order->tag;
    snprintf(one->name, sizeof one->name, "%s", order->name);
    snprintf(one->server_id, sizeof one->server_id, "%s", order->server_id);
    snprintf(one->address, sizeof one->address, "%s", order->address ? order->address : "");
    the_bench->n_starts++;
    the_bench->n_spawned++;
    return one;
}

static void stop_fake(struct spawner *s, struct spawned *one, enum spawner_stop how)
{
    assert_ptr_equal(one->owner, s);
    one->asked += how == SPAWNER_ASK;
    one->killed += how == SPAWNER_KILL;
}

static void close_fake(struct spawner *s)
{
    free(s);
}

static size_t found_fake(struct spawner *s, const struct spawner_found **out)
{
    (void)s;
    *out = the_found;
    return n_found;
}

static bool is_impostor_fake(struct spawner *s, const struct spawned *one, char *why, size_t why_size)
{
    assert_ptr_equal(one->owner, s);
    snprintf(why, why_size, "another program");
    return the_bench->is_impostor;
}

#define FAKE \
    .open = open_fake, .apply = apply_fake, .start = start_fake, .stop = stop_fake, .close = close_fake
static const struct spawner_ops fake_process = {
    .name = "process", .can_start = true, FAKE, .is_impostor = is_impostor_fake, .found = found_fake
};
static const struct spawner_ops fake_static = { .name = "static", FAKE };

/* ------------------------------------------------------------------ heartbeats */

struct health {
    int nothing;
};

static struct health *health_open(struct event_base *base, const struct config *config)
{
    (void)base;
    (void)config;
    return mem_zero(1, sizeof(struct health));
}

static void health_apply(struct health *h, const struct config *next)
{
    (void)h;
    (void)next;
}

static struct heartbeat *health_watch(struct health *h, const char *address, enum health_pace pace,
                                      health_fn fn, void *ctx)
{
    struct heartbeat *beat = mem_zero(1, sizeof *beat);
    beat->owner = h;
    beat->pace = pace;
    beat->fn = fn;
    beat->ctx = ctx;
    snprintf(beat->address, sizeof beat->address, "%s", address);
    the_bench->n_heartbeats++;
    return beat;
}

static void health_set_pace(struct heartbeat *beat, enum health_pace pace)
{
    beat->pace = pace;
}

static void health_kick(struct heartbeat *beat)
{
    beat->kicks++;
}

static void health_prompt(struct heartbeat *beat)
{
    beat->prompts++;
}

static void health_unwatch(struct heartbeat *beat)
{
    the_bench->n_heartbeats--;
    free(beat);
}

static void health_close(struct health *h)
{
    free(h);
}

static const struct health_ops fake_health = { health_open, health_apply,  health_watch,   health_set_pace,
                                               health_kick, health_prompt, health_unwatch, health_close };

/* ------------------------------------------------------------------ the publisher */

static void on_changed(void *ctx)
{
    ((struct bench *)ctx)->n_changed++;
}

static void on_forget(void *ctx, struct replica *replica)
{
    struct bench *b = ctx;
    assert_true(b->n_to_forget < sizeof b->to_forget / sizeof *b->to_forget);
    b->to_forget[b->n_to_forget++] = replica;
}

static void on_cut(void *ctx, struct replica *replica)
{
    struct bench *b = ctx;
    assert_non_null(replica);
    b->n_cut++;
}

static void on_move(void *ctx, struct replica *replica, bool is_dead)
{
    struct bench *b = ctx;
    assert_non_null(replica);
    b->n_moved += !is_dead;
    b->n_moved_dead += is_dead;
}

static void on_stopped(void *ctx)
{
    ((struct bench *)ctx)->n_stopped++;
}

void bench_publish(struct bench *b)
{
    struct rotation r;
    bench_turn(b);
    supervisor_rotation(b->s, &r);
    uint64_t stamp = r.stamp;
    rotation_free(&r);
    supervisor_published(b->s, stamp);
    bench_turn(b);
}

void bench_forget(struct bench *b)
{
    while (b->n_to_forget) {
        supervisor_forgotten(b->s, b->to_forget[--b->n_to_forget]);
    }
    bench_turn(b);
}

/* ------------------------------------------------------------------ the bench */

static void fill_config(struct config *c, enum config_driver driver, uint32_t count)
{
    memset(c, 0, sizeof *c);
    c->refs = 1;
    c->replicas.driver = driver;
    c->replicas.count = count;
    c->replicas.max = 64;
    c->replicas.name = mem_text("Server {n}");
    c->replicas.replacement = REPLACEMENT_EMERGENCY;
    c->replicas.add_timeout_ms = BENCH_HOUR_MS;
    c->replicas.stop_timeout_ms = BENCH_HOUR_MS;
    c->replicas.drain_timeout_ms = BENCH_HOUR_MS;
    c->replicas.backoff_min_ms = BENCH_HOUR_MS;
    c->replicas.backoff_max_ms = 4 * BENCH_HOUR_MS;
    c->replicas.backoff_reset_ms = BENCH_HOUR_MS;
    c->health.start_timeout_ms = BENCH_HOUR_MS;
    c->health.unready_after = 2;
    c->health.dead_after = 5;
    c->outlier.failures = 5;
    c->outlier.window_ms = BENCH_HOUR_MS;
    c->outlier.min_requests = 10;
    c->outlier.eject_ms = BENCH_HOUR_MS;
    c->outlier.eject_max_ms = 4 * BENCH_HOUR_MS;
    c->outlier.max_ejected_percent = 50;
    c->outlier.trials = 3;
    if (driver == DRIVER_STATIC) {
        c->replicas.members = mem_zero(count + 1, sizeof *c->replicas.members);
        c->replicas.n_members = count;
        for (uint32_t i = 0; i < count; i++) {
            c->replicas.members[i].address = mem_format("10.0.0.%u:8000", i + 1);
            c->replicas.members[i].weight = 1;
        }
    }
}

static void open_bench(struct bench *b, enum config_driver driver, uint32_t count, uint32_t spares)
{
    memset(b, 0, sizeof *b);
    the_bench = b;
    b->next_port = 5001;
    b->base = event_base_new();
    fill_config(&b->config, driver, count);
    b->config.replicas.spares = spares;
    struct supervisor_hooks hooks = { .ctx = b,
                                      .rotation_changed = on_changed,
                                      .forget = on_forget,
                                      .cut = on_cut,
                                      .move = on_move,
                                      .stopped = on_stopped };
    b->s = supervisor_open_with(driver == DRIVER_STATIC ? &fake_static : &fake_process, &fake_health, b->base,
                                &b->config, 2, &hooks, NULL, 0);
    assert_non_null(b->s);
    assert_int_equal(b->config.refs, 2);
}

void bench_open(struct bench *b, enum config_driver driver, uint32_t count)
{
    open_bench(b, driver, count, 0);
}

void bench_open_found(struct bench *b, uint32_t count, uint32_t spares, const struct spawner_found *found,
                      size_t n)
{
    the_found = found;
    n_found = n;
    open_bench(b, DRIVER_PROCESS, count, spares);
    the_found = NULL;
    n_found = 0;
}

static void stop_all(struct bench *b)
{
    struct link *next;
    supervisor_stop(b->s);
    for (struct link *at = b->s->rows.next; at != &b->s->rows; at = next) {
        next = at->next;
        bench_exited(b, LIST_OWNER(at, struct row, link));
    }
    for (struct link *at = b->s->spares.next; at != &b->s->spares; at = next) {
        next = at->next;
        bench_exited(b, LIST_OWNER(at, struct row, link));
    }
    bench_turn(b);
}

void bench_close(struct bench *b)
{
    stop_all(b);
    assert_int_equal(b->n_stopped, 1);
    assert_int_equal(b->n_spawned, 0);
    assert_int_equal(b->n_heartbeats, 0);
    supervisor_close(b->s);
    assert_int_equal(b->config.refs, 1);
    for (size_t i = 0; i < b->config.replicas.n_members; i++) {
        free(b->config.replicas.members[i].address);
        free(b->config.replicas.members[i].name);
    }
    free(b->config.replicas.members);
    free(b->config.replicas.name);
    event_base_free(b->base);
}

void bench_turn(struct bench *b)
{
    event_base_loop(b->base, EVLOOP_NONBLOCK);
}

struct row *bench_row(struct bench *b, size_t position)
{
    struct link *at = b->s->rows.next;
    while (position-- > 0 && at != &b->s->rows) {
        at = at->next;
    }
    assert_ptr_not_equal(at, &b->s->rows);
    return LIST_OWNER(at, struct row, link);
}

struct row *bench_named(struct bench *b, const char *name)
{
    for (struct row *row = row_first(b->s); row; row = row_after(row)) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    fail_msg("no row is called %s", name);
    return NULL;
}

void bench_started(struct bench *b, struct row *row)
{
    struct spawner_started what = { .address_len = sizeof(struct sockaddr_in), .pid = 4242 };
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&what.address;
    in->sin_family = AF_INET;
    in->sin_port = htons(b->next_port++);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    b->s->spawner->hooks.started(row->spawned->tag, &what);
}

void bench_exited(struct bench *b, struct row *row)
{
    struct spawned *one = row->spawned;
    assert_non_null(one);
    b->s->spawner->hooks.exited(one->tag, "exited with status 0");
    b->n_spawned--;
    free(one);
}

void bench_beat(struct bench *b, struct row *row, enum health_result result)
{
    static const char *const texts[] = { "heartbeat good", "heartbeat missed", "heartbeat refused",
                                         "no socket" };
    (void)b;
    assert_non_null(row->heartbeat);
    row->heartbeat->fn(row->heartbeat->ctx, result, texts[result]);
}

void bench_timer(struct bench *b, struct row *row)
{
    (void)b;
    evtimer_del(&row->timer);
    row_on_timer(-1, EV_TIMEOUT, row);
}

void bench_up(struct bench *b, struct row *row)
{
    bench_started(b, row);
    bench_beat(b, row, HEALTH_GOOD);
    assert_int_equal(row->state, SUPERVISOR_READY);
}

struct row *bench_spare(struct bench *b, size_t position)
{
    struct link *at = b->s->spares.next;
    while (position-- > 0 && at != &b->s->spares) {
        at = at->next;
    }
    return at == &b->s->spares ? NULL : LIST_OWNER(at, struct row, link);
}

void bench_spare_up(struct bench *b, struct row *row)
{
    bench_started(b, row);
    bench_beat(b, row, HEALTH_GOOD);
    assert_int_equal(row->state, SUPERVISOR_SPARE);
    bench_turn(b);
}

void bench_want_spares(struct bench *b, uint32_t n)
{
    b->config.replicas.spares = n;
    supervisor_apply(b->s, &b->config);
    bench_turn(b);
}

void bench_all_up(struct bench *b)
{
    for (struct row *row = row_first(b->s); row; row = row_after(row)) {
        bench_up(b, row);
    }
    bench_publish(b);
    bench_forget(b);
}

void bench_replace(struct bench *b, struct row *row)
{
    bench_exited(b, row);
    bench_timer(b, row);
    bench_up(b, row);
}

/* ------------------------------------------------------------------ /add and /rm */

static void join(char *out, size_t room, char *const *names)
{
    out[0] = 0;
    for (; *names; names++) {
        size_t len = strlen(out);
        snprintf(out + len, room - len, "%s%s", len ? "," : "", *names);
    }
}

static void on_done(void *arg, const struct supervisor_result *result)
{
    struct bench *b = arg;
    b->n_answers++;
    b->timed_out = result->timed_out;
    join(b->names, sizeof b->names, result->names);
    join(b->skipped, sizeof b->skipped, result->skipped);
}

static size_t cut(char *text, const char **names)
{
    size_t n = 0;
    for (char *at = strtok(text, ","); at; at = strtok(NULL, ",")) {
        names[n++] = at;
    }
    return n;
}

int bench_add(struct bench *b, const char *names, size_t n, char *why, size_t why_size)
{
    const char *list[64];
    char *text = mem_text(names);
    size_t n_names = cut(text, list);
    unsigned before = b->n_answers;
    int result = supervisor_add(b->s, list, n_names, n, b->weights, b->n_weights, on_done, b, why, why_size);
    assert_int_equal(b->n_answers, before); /* never from inside */
    free(text);
    return result;
}

int bench_remove(struct bench *b, const char *names, size_t n, char *why, size_t why_size)
{
    const char *list[64];
    char *text = mem_text(names);
    size_t n_names = cut(text, list);
    unsigned before = b->n_answers;
    int result = supervisor_remove(b->s, list, n_names, n, on_done, b, why, why_size);
    assert_int_equal(b->n_answers, before);
    free(text);
    return result;
}

/* ------------------------------------------------------------------ looking */

const char *bench_names(struct bench *b)
{
    static char text[4096];
    struct supervisor_info *list;
    size_t n = supervisor_list(b->s, &list), len = 0;
    text[0] = 0;
    for (size_t i = 0; i < n; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? "," : "", list[i].name);
    }
    free(list);
    return text;
}

const char *bench_rotation(struct bench *b)
{
    static char text[4096];
    struct rotation r;
    size_t len = 0;
    supervisor_rotation(b->s, &r);
    text[0] = 0;
    for (uint32_t i = 0; i < r.n; i++) {
        assert_ptr_equal(r.members[i].key, r.replicas[i]->ring_name);
        assert_int_equal(r.members[i].key_len, strlen(r.replicas[i]->ring_name));
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? "," : "", r.members[i].key);
    }
    rotation_free(&r);
    return text;
}
