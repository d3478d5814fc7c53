/*
 * stage.c - a publisher with everything around it played by the test.
 */
#include "unit/control/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/problem.h"
#include "control/builder.h"
#include "control/publish.h"
#include "control/supervisor.h"
#include "control/vetting.h"
#include "world/config.h"
#include "world/replica.h"
#include "world/strategy.h"
#include "world/view.h"

#define PATIENCE_NS (30000 * CLOCK_NS_PER_MS)

/* ------------------------------------------------------------------ the supervisor's part */

static void play_rotation(void *ctx, struct rotation *out)
{
    struct stage *s = ctx;
    *out = (struct rotation){ .n = s->n_replicas, .stamp = s->stamp };
    out->members = calloc(s->n_replicas + 1, sizeof *out->members);
    out->replicas = calloc(s->n_replicas + 1, sizeof(struct replica *));
    for (uint32_t i = 0; i < s->n_replicas; i++) {
        struct replica *r = s->replicas[i];
        out->replicas[i] = r;
        out->members[i] = (struct lb_member){
            .id = r->id,
            .key = r->ring_name,
            .key_len = (uint32_t)strlen(r->ring_name),
            .weight = r->weight,
        };
    }
}

static void play_published(void *ctx, uint64_t stamp)
{
    struct stage *s = ctx;
    s->published = stamp;
    s->n_published++;
}

static void play_forgotten(void *ctx, struct replica *replica)
{
    struct stage *s = ctx;
    s->forgotten = replica;
}

static void change_rotation(struct stage *s)
{
    s->stamp++;
    publish_rotation_changed(s->publish);
}

/* Where the ring name stands, or would stand. */
static uint32_t find_place(const struct stage *s, const char *ring_name, bool *is_there)
{
    uint32_t i = 0;
    while (i < s->n_replicas && strcmp(s->replicas[i]->ring_name, ring_name) < 0)
        i++;
    *is_there = i < s->n_replicas && strcmp(s->replicas[i]->ring_name, ring_name) == 0;
    return i;
}

struct replica *stage_join(struct stage *s, const char *name, const char *ring_name)
{
    bool is_there;
    uint32_t at = find_place(s, ring_name, &is_there);
    struct replica_identity who = {
        .name = name,
        .ring_name = ring_name,
        .id = strategy_id_of_name(ring_name, strlen(ring_name)),
        .weight = 1,
        .index = s->next_index++,
    };
    struct replica *made = replica_new(&who, STAGE_WORKERS);
    replica_set_ready(made, true);
    if (is_there) {
        replica_release(s->replicas[at]);
    } else {
        assert_true(s->n_replicas < STAGE_REPLICAS);
        memmove(&s->replicas[at + 1], &s->replicas[at], (s->n_replicas++ - at) * sizeof(struct replica *));
    }
    s->replicas[at] = made;
    change_rotation(s);
    return made;
}

void stage_leave(struct stage *s, const char *ring_name)
{
    bool is_there;
    uint32_t at = find_place(s, ring_name, &is_there);
    assert_true(is_there);
    replica_release(s->replicas[at]);
    memmove(&s->replicas[at], &s->replicas[at + 1], (--s->n_replicas - at) * sizeof(struct replica *));
    change_rotation(s);
}

/* ------------------------------------------------------------------ the workers' part */

static void post_view(struct stage *s, unsigned worker, int kind, struct view *view)
{
    struct letter_view *letter = mem_zero(1, sizeof *letter);
    letter->letter.kind = kind;
    letter->worker = worker;
    letter->view = view;
    mailbox_post(&s->box, &letter->letter);
}

static void run_view(struct stage *s, unsigned worker, struct view *view)
{
    struct stage_worker *w = &s->workers[worker];
    struct view *before = w->runs;
    w->runs = view;
    w->n_views++;
    if (w->releases_first && !w->keeps_views)
        post_view(s, worker, MESSAGE_RELEASED, before);
    post_view(s, worker, MESSAGE_SWITCHED, view);
    if (!w->releases_first && !w->keeps_views)
        post_view(s, worker, MESSAGE_RELEASED, before);
}

static void take_mail(struct stage_worker *w)
{
    struct letter **end = &w->mail;
    while (*end)
        end = &(*end)->next;
    *end = mailbox_take(&w->mailbox);
}

int stage_answer(struct stage *s, unsigned worker)
{
    struct stage_worker *w = &s->workers[worker];
    take_mail(w);
    struct letter *letter = w->mail;
    if (!letter)
        return 0;
    int kind = letter->kind;
    w->mail = letter->next;
    if (kind == MESSAGE_FORGET) {
        letter->kind = MESSAGE_FORGOTTEN;
        mailbox_post(&s->box, letter);
        return kind;
    }
    if (kind == MESSAGE_RUN_VIEW) {
        run_view(s, worker, ((struct letter_view *)letter)->view);
    } else if (kind == MESSAGE_ANSWER) {
        free(w->answer);
        w->answer = (struct letter_answer *)letter;
        return kind;
    }
    free(letter);
    return kind;
}

/* ------------------------------------------------------------------ control's part */

static void read_mail(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct stage *s = arg;
    struct letter *next;
    for (struct letter *letter = mailbox_take(&s->box); letter; letter = next) {
        next = letter->next;
        switch (letter->kind) {
        case MESSAGE_SWITCHED: publish_switched(s->publish, (struct letter_view *)letter); break;
        case MESSAGE_RELEASED: publish_released(s->publish, (struct letter_view *)letter); break;
        case MESSAGE_FORGOTTEN: publish_forgotten(s->publish, (struct letter_replica *)letter); break;
        case MESSAGE_BUILT: ((struct letter_built *)letter)->done((struct letter_built *)letter); break;
        case MESSAGE_CALL: s->on_call(s, (struct letter_call *)letter); break;
        default: fail_msg("a letter of kind %d", letter->kind);
        }
    }
}

void stage_turn(struct stage *s)
{
    for (int turns = 0; turns < 16; turns++) {
        event_base_loop(s->base, EVLOOP_NONBLOCK);
        for (unsigned i = 0; i < STAGE_WORKERS && !s->is_manual; i++)
            while (stage_answer(s, i))
                continue;
    }
}

static void ignore_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

void stage_wait(struct stage *s, bool (*is_true)(struct stage *s))
{
    uint64_t until = clock_now_ns() + PATIENCE_NS;
    struct event *tick = event_new(s->base, -1, EV_PERSIST, ignore_timer, NULL);
    event_add(tick, &(struct timeval){ .tv_usec = 100000 });
    stage_turn(s);
    while (!is_true(s)) {
        if (clock_now_ns() > until)
            fail_msg("waited in vain");
        event_base_loop(s->base, EVLOOP_ONCE);
        stage_turn(s);
    }
    event_free(tick);
}

static bool is_settled(struct stage *s)
{
    return s->published == s->stamp;
}

void stage_settle(struct stage *s)
{
    stage_wait(s, is_settled);
}

const char *stage_names(const struct view *view)
{
    static char out[4096];
    const struct pool *pool = &view->pools[0];
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < pool->n_replicas; i++) {
        assert_string_equal(pool->replicas[i]->ring_name, pool->table->members[i].key);
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%s", i ? "," : "", pool->replicas[i]->name);
    }
    return out;
}

/* ------------------------------------------------------------------ opening and closing */

void stage_write(struct stage *s, const char *conf)
{
    FILE *f = fopen(s->path, "w");
    assert_non_null(f);
    fputs(conf, f); /* first: tests count its lines */
    if (!strstr(conf, "replicas ="))
        fprintf(f, "replicas = { process = { command = [ \"/bin/true\" ]; }; };\n");
    fprintf(f, "plugin_dir = \"%s\";\n", getenv("RM_PLUGIN_DIR") ? getenv("RM_PLUGIN_DIR") : RM_PLUGIN_DIR);
    assert_int_equal(fclose(f), 0);
}

static void show(const struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        problem_print(&problems->items[i], stderr);
}

static void open_publisher(struct stage *s)
{
    static const struct durations none;
    struct problems problems = { 0 };
    s->config = config_load(s->path, &problems);
    s->vetting = vetting_new(RM_BIN_DIR "/ringmaster");
    assert_non_null(s->vetting);
    struct vetting_visit visit = { .vetting = s->vetting };
    struct strategy *strategy = s->config ? vetting_make(&visit, s->config, &problems) : NULL;
    show(&problems);
    assert_non_null(strategy);
    struct lb_error why;
    struct table *table = strategy_build(strategy, NULL, 0, &why);
    assert_non_null(table);
    s->builder = builder_new(&s->box);
    assert_int_equal(builder_start(s->builder), 0);
    s->publish = publish_new(s->base, s->builder);
    struct view *first = publish_first(s->publish, s->config, strategy, table, STAGE_WORKERS);
    table_release(table);
    strategy_release(strategy);
    for (unsigned i = 0; i < STAGE_WORKERS; i++) {
        assert_int_equal(mailbox_open(&s->workers[i].mailbox), 0);
        s->workers[i].runs = first;
        s->reach[i] = (struct control_worker){ &s->workers[i].mailbox, &s->workers[i].counters, &none };
    }
    struct publish_hooks hooks = { s, play_rotation, play_published, play_forgotten };
    publish_start(s->publish, &hooks, s->reach, STAGE_WORKERS);
}

struct stage *stage_open(const char *conf)
{
    struct stage *s = calloc(1, sizeof *s);
    snprintf(s->path, sizeof s->path, "/tmp/ringmaster-test-XXXXXX");
    int fd = mkstemp(s->path);
    assert_true(fd >= 0);
    close(fd);
    stage_write(s, conf);
    s->base = event_base_new();
    assert_int_equal(mailbox_open(&s->box), 0);
    s->mail = event_new(s->base, s->box.fd, EV_READ | EV_PERSIST, read_mail, s);
    event_add(s->mail, NULL);
    open_publisher(s);
    return s;
}

static void burn(struct letter *letter)
{
    struct letter *next;
    for (; letter; letter = next) {
        next = letter->next;
        if (letter->kind == MESSAGE_BUILT)
            ((struct letter_built *)letter)->drop((struct letter_built *)letter);
        else
            free(letter);
    }
}

void stage_quiet(struct stage *s)
{
    builder_free(s->builder);
    s->builder = NULL;
    burn(mailbox_take(&s->box));
}

void stage_close(struct stage *s)
{
    stage_quiet(s);
    publish_free(s->publish);
    vetting_free(s->vetting);
    for (unsigned i = 0; i < STAGE_WORKERS; i++) {
        struct stage_worker *w = &s->workers[i];
        burn(w->mail);
        burn(mailbox_take(&w->mailbox));
        free(w->answer);
        mailbox_close(&w->mailbox);
    }
    for (uint32_t i = 0; i < s->n_replicas; i++)
        replica_release(s->replicas[i]);
    config_release(s->config);
    event_free(s->mail);
    event_base_free(s->base);
    mailbox_close(&s->box);
    unlink(s->path);
    free(s);
}
