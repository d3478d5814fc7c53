/*
 * test_control.c - the whole control thread, with the real supervisor: from the first view to the last stop.
 *
 * Workers are threads that answer letters and carry nothing. The replica is a thread that answers heartbeats.
 * A script runs in a thread of its own, calls routes the way a worker does, and sends the signals.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/problem.h"
#include "control/control.h"
#include "control/vetting.h"
#include "world/config.h"
#include "world/message.h"
#include "world/stats.h"
#include "world/view.h"

#define WORKERS     2
#define PATIENCE_NS (30000 * CLOCK_NS_PER_MS)

struct actor { /* a worker */
    pthread_t thread;
    unsigned number;
    struct mailbox mailbox;
    struct worker_counters counters;
    struct view *runs; /* its own */
    atomic_uint drains;
    bool never_drains;
};

static struct house {
    char path[64];
    struct config *config;
    struct vetting *vetting;
    struct control *control;
    struct actor actors[WORKERS];

    int replica_fd, admin_port;
    pthread_t replica, script;

    pthread_mutex_t lock; /* the answer that the script waits for */
    pthread_cond_t answered;
    struct letter_answer *answer;
    bool failed; /* the script's */
} h;

/* ------------------------------------------------------------------ the replica */

static int listen_anywhere(unsigned *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof where;
    assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &len), 0);
    *port = ntohs(where.sin_port);
    return fd;
}

/* 200 to whatever is asked, one connection a request. Ends when its listener is shut down. */
static void *replica_main(void *arg)
{
    (void)arg;
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    int fd;
    while ((fd = accept4(h.replica_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        char request[4096];
        if (recv(fd, request, sizeof request, 0) > 0)
            send(fd, reply, sizeof reply - 1, MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

/* ------------------------------------------------------------------ workers */

static void post(int kind, unsigned worker, void *what)
{
    struct letter_view *letter = mem_zero(1, sizeof *letter); /* of the same shape as letter_replica */
    letter->letter.kind = kind;
    letter->worker = worker;
    letter->view = what;
    mailbox_post(control_mailbox(h.control), &letter->letter);
}

static void keep_answer(struct letter_answer *answer)
{
    pthread_mutex_lock(&h.lock);
    free(h.answer);
    h.answer = answer;
    pthread_cond_signal(&h.answered);
    pthread_mutex_unlock(&h.lock);
}

/* Returns false when it is to stop. Frees the letter. */
static bool read_letter(struct actor *a, struct letter *letter)
{
    int kind = letter->kind;
    if (kind == MESSAGE_ANSWER) {
        keep_answer((struct letter_answer *)letter);
        return true;
    }
    if (kind == MESSAGE_RUN_VIEW) {
        struct view *before = a->runs;
        a->runs = ((struct letter_view *)letter)->view;
        post(MESSAGE_SWITCHED, a->number, a->runs);
        post(MESSAGE_RELEASED, a->number, before);
    } else if (kind == MESSAGE_FORGET) {
        post(MESSAGE_FORGOTTEN, a->number, ((struct letter_replica *)letter)->replica);
    } else if (kind == MESSAGE_DRAIN) {
        atomic_fetch_add(&a->drains, 1);
        if (!a->never_drains)
            post(MESSAGE_DRAINED, a->number, NULL);
    }
    free(letter);
    return kind != MESSAGE_STOP;
}

static void *actor_main(void *arg)
{
    struct actor *a = arg;
    bool goes_on = true;
    while (goes_on) {
        struct pollfd mail = { .fd = a->mailbox.fd, .events = POLLIN };
        poll(&mail, 1, -1);
        struct letter *next;
        for (struct letter *letter = mailbox_take(&a->mailbox); letter; letter = next) {
            next = letter->next;
            goes_on = read_letter(a, letter) && goes_on;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ the script's verbs */

static void fail_script(const char *what, const char *seen)
{
    fprintf(stderr, "the script failed: %s; last seen: %s\n", what, seen);
    h.failed = true;
}

/* Calls a route of the traffic port; returns the body, to be freed, and its status. */
static char *ask(const char *method, const char *path, const char *body, int *status)
{
    struct letter_call *letter = mem_zero(1, sizeof *letter + strlen(body) + 1);
    struct sockaddr_in *peer = (void *)&letter->peer;
    peer->sin_family = AF_INET;
    peer->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    letter->letter.kind = MESSAGE_CALL;
    letter->method = method;
    letter->path = path;
    letter->query = "";
    letter->body = memcpy(letter + 1, body, strlen(body) + 1);
    letter->body_len = strlen(body);
    mailbox_post(control_mailbox(h.control), &letter->letter);

    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&h.lock);
    while (!h.answer && pthread_cond_timedwait(&h.answered, &h.lock, &until) == 0)
        continue;
    struct letter_answer *answer = h.answer;
    h.answer = NULL;
    pthread_mutex_unlock(&h.lock);
    char *text = answer ? mem_text_n(answer->body, answer->body_len) : mem_text("no answer");
    *status = answer ? answer->status : 0;
    free(answer);
    return text;
}

/* Asks until the body contains a text. */
static void wait_for(const char *path, const char *text)
{
    uint64_t until = clock_now_ns() + PATIENCE_NS;
    for (;;) {
        int status;
        char *body = ask("GET", path, "", &status);
        bool found = strstr(body, text) != NULL;
        if (!found && clock_now_ns() > until)
            fail_script(text, body);
        free(body);
        if (found || h.failed)
            return;
        struct pollfd none = { .fd = -1 };
        poll(&none, 1, 1);
    }
}

static void expect(const char *method, const char *path, const char *body, int status, const char *text)
{
    int seen;
    char *answer = ask(method, path, body, &seen);
    if (seen != status || !strstr(answer, text))
        fail_script(path, answer);
    free(answer);
}

/* ------------------------------------------------------------------ the house */

static void write_conf(unsigned idle_ms)
{
    struct sockaddr_in where;
    socklen_t len = sizeof where;
    getsockname(h.replica_fd, (struct sockaddr *)&where, &len);
    FILE *f = fopen(h.path, "w");
    fprintf(f,
            "plugin_dir = \"%s\"; admin = \"127.0.0.1:%d\"; timeouts = { idle = %u; drain = 3600000; };\n"
            "replicas = { driver = \"static\"; static = { addresses = [ \"127.0.0.1:%u\" ]; }; };\n",
            getenv("RM_PLUGIN_DIR") ? getenv("RM_PLUGIN_DIR") : RM_PLUGIN_DIR, h.admin_port, idle_ms,
            (unsigned)ntohs(where.sin_port));
    fclose(f);
}

static void open_actors(struct view *first)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        struct actor *a = &h.actors[i];
        a->number = i;
        a->runs = first;
        assert_int_equal(mailbox_open(&a->mailbox), 0);
        assert_int_equal(pthread_create(&a->thread, NULL, actor_main, a), 0);
    }
}

static int open_house(void **state)
{
    (void)state;
    struct problems problems = { 0 };
    unsigned port;
    memset(&h, 0, sizeof h);
    pthread_mutex_init(&h.lock, NULL);
    pthread_cond_init(&h.answered, NULL);
    close(listen_anywhere(&port));
    h.admin_port = (int)port;
    h.replica_fd = listen_anywhere(&port);
    snprintf(h.path, sizeof h.path, "/tmp/ringmaster-test-XXXXXX");
    close(mkstemp(h.path));
    write_conf(1000);
    h.config = config_load(h.path, &problems);
    assert_non_null(h.config);
    h.vetting = vetting_new(RM_BIN_DIR "/ringmaster");
    assert_non_null(h.vetting);
    h.control = control_new(h.config, h.vetting);
    assert_non_null(h.control);
    struct view *first = control_first_view(h.control, &problems, WORKERS);
    assert_non_null(first);

    sigset_t all, before; /* signals are for the control thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    open_actors(first);
    assert_int_equal(pthread_create(&h.replica, NULL, replica_main, NULL), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return 0;
}

/* Runs control with this script beside it; returns its exit code. */
static int run(void *(*script)(void *))
{
    static const struct durations steps[1];
    static const char *const names[] = { "READ_HEAD", NULL };
    struct control_worker reach[WORKERS];
    sigset_t all, before;
    for (unsigned i = 0; i < WORKERS; i++)
        reach[i] = (struct control_worker){ &h.actors[i].mailbox, &h.actors[i].counters, steps };
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    assert_int_equal(pthread_create(&h.script, NULL, script, NULL), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    int code = control_run(h.control, reach, WORKERS, names);
    pthread_join(h.script, NULL);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(h.actors[i].thread, NULL);
    assert_false(h.failed);
    return code;
}

static int close_house(void **state)
{
    (void)state;
    shutdown(h.replica_fd, SHUT_RDWR);
    pthread_join(h.replica, NULL);
    close(h.replica_fd);
    control_free(h.control);
    vetting_free(h.vetting);
    config_release(h.config);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct letter *next;
        for (struct letter *letter = mailbox_take(&h.actors[i].mailbox); letter; letter = next) {
            next = letter->next;
            free(letter);
        }
        mailbox_close(&h.actors[i].mailbox);
    }
    free(h.answer);
    unlink(h.path);
    return 0;
}

/* ------------------------------------------------------------------ the tests */

static void *life(void *arg)
{
    (void)arg;
    wait_for("/rep", "{\"message\":{\"N\":1,\"replicas\":[\"Server 1\"]},\"status\":\"successful\"}");
    write_conf(2000);
    expect("POST", "/reload", "", 200, "\"generation\":2,\"changed\":[\"timeouts.idle\"]");
    expect("POST", "/reload", "", 200, "\"generation\":2,\"changed\":[]");
    expect("GET", "/requests/1", "", 200, "\"requests\": []");
    expect("POST", "/add", "n=1", 400, "<Error> driver static");
    expect("DELETE", "/rm", "server_id=Nobody", 400, "<Error> ");
    expect(
        "DELETE", "/rm", "server_id=1", 200,
        "{\"message\":{\"N\":0,\"replicas\":[],\"removed\":[\"Server 1\"],\"removed_server\":\"Server 1\"}");
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGTERM);
    return NULL;
}

static void test_life(void **state)
{
    (void)state;
    char why[256];
    assert_int_equal(control_listen(h.control, why, sizeof why), 0);
    assert_int_equal(run(life), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(atomic_load(&h.actors[i].drains), 1);
}

static void *hang_up(void *arg)
{
    (void)arg;
    wait_for("/rep", "\"N\":1");
    write_conf(3000);
    kill(getpid(), SIGHUP);
    /* This run begins after the one that SIGHUP asked for, or joins it: either way nothing is left to change
     * then. */
    expect("POST", "/reload", "", 200, "\"status\":\"successful\"");
    expect("POST", "/reload", "", 200, "\"generation\":2,\"changed\":[]");
    kill(getpid(), SIGINT);
    return NULL;
}

static void test_sighup(void **state)
{
    (void)state;
    assert_int_equal(run(hang_up), 0);
}

static void *term(void *arg)
{
    (void)arg;
    wait_for("/rep", "\"N\":1");
    kill(getpid(), SIGTERM);
    return NULL;
}

/* A worker that does not finish is stopped after timeouts.drain. */
static void test_drain_runs_out(void **state)
{
    (void)state;
    h.actors[0].never_drains = true;
    h.config->timeouts.drain = 50; /* elsewhere it is an hour: only DRAINED of all ends the drain */
    assert_int_equal(run(term), 0);
}

static void *term_twice(void *arg)
{
    (void)arg;
    wait_for("/rep", "\"N\":1");
    kill(getpid(), SIGTERM);
    while (!atomic_load(&h.actors[0].drains)) {
        struct pollfd none = { .fd = -1 };
        poll(&none, 1, 1);
    }
    kill(getpid(), SIGTERM);
    return NULL;
}

static void test_second_signal(void **state)
{
    (void)state;
    h.actors[0].never_drains = true;
    assert_int_equal(run(term_twice), 0);
}

/* A signal that comes before the loop runs is not lost. */
static void *nothing(void *arg)
{
    return arg;
}

static void test_early_signal(void **state)
{
    (void)state;
    raise(SIGTERM);
    assert_int_equal(run(nothing), 0);
}

static void *leave_at_once(void *arg)
{
    (void)arg;
    kill(getpid(), SIGTERM);
    return NULL;
}

static void test_admin_port_is_taken(void **state)
{
    (void)state;
    char why[256] = "";
    unsigned port;
    int fd = listen_anywhere(&port);
    char *admin = h.config->admin;
    char taken[64];
    snprintf(taken, sizeof taken, "127.0.0.1:%u", port);
    h.config->admin = taken;
    assert_int_equal(control_listen(h.control, why, sizeof why), -1);
    assert_non_null(strstr(why, taken));
    h.config->admin = admin;
    close(fd);
    assert_int_equal(run(leave_at_once), 0);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_life),          TEST(test_sighup),       TEST(test_drain_runs_out),
        TEST(test_second_signal), TEST(test_early_signal), TEST(test_admin_port_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
