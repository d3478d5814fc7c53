/*
 * test_spawner_process.c - real child processes: how they start, what they get, how their end is seen.
 *
 * Owns     the children it starts and a directory for what they write.
 * Used by  ctest: unit.control.spawner_process.
 * Thread   one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "control/spawner.h"
#include "lb_plugin.h"
#include "world/config.h"

#define DEADLINE_MS 20000u

struct stage {
    struct event_base *base;
    struct config config;
    struct spawner *spawner;
    char *command[8];
    char directory[64];
};

struct seen {
    struct spawned *handle;
    int started, exited;
    struct spawner_started what;
    char why[600];
};

static void on_started(void *tag, const struct spawner_started *what)
{
    struct seen *seen = tag;
    seen->started++;
    seen->what = *what;
}

static void on_exited(void *tag, const char *why)
{
    struct seen *seen = tag;
    seen->exited++;
    seen->handle = NULL;
    snprintf(seen->why, sizeof seen->why, "%s", why);
}

static const struct spawner_hooks hooks = { on_started, on_exited };

static bool can_listen(uint16_t port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free = bind(fd, (struct sockaddr *)&in, sizeof in) == 0;
    close(fd);
    return is_free;
}

/* The first of six free ports in a row, below those that the kernel gives to clients. */
static uint16_t free_port(void)
{
    uint64_t random = clock_now_ns();
    for (;;) {
        uint16_t port = (uint16_t)(12000 + lb_scale(lb_random(&random), 18000)), n = 0;
        while (n < 6 && can_listen((uint16_t)(port + n))) {
            n++;
        }
        if (n == 6) {
            return port;
        }
    }
}

static void set_command(struct stage *g, const char *a, const char *b, const char *c)
{
    const char *words[] = { a, b, c };
    size_t n = 0;
    for (size_t i = 0; i < 3 && words[i]; i++) {
        g->command[n++] = (char *)(uintptr_t)words[i];
    }
    g->config.replicas.process.command.items = g->command;
    g->config.replicas.process.command.count = n;
}

static void open_stage(struct stage *g)
{
    char why[200] = "";
    memset(g, 0, sizeof *g);
    g->base = event_base_new();
    g->config.refs = 1;
    g->config.replicas.process.base_port = free_port();
    g->config.replicas.process.address = mem_text("127.0.0.1");
    set_command(g, "/bin/sleep", "1000", NULL);
    snprintf(g->directory, sizeof g->directory, "/tmp/spawner-test-XXXXXX");
    assert_non_null(mkdtemp(g->directory));
    g->spawner = spawner_process.open(g->base, &g->config, &hooks, why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(g->spawner);
}

static void close_stage(struct stage *g)
{
    char *command = mem_format("rm -r %s", g->directory);
    spawner_process.close(g->spawner);
    assert_int_equal(g->config.refs, 1);
    assert_int_equal(system(command), 0);
    free(command);
    free(g->config.replicas.process.address);
    event_base_free(g->base);
    siginfo_t info;
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT),
                     -1); /* neither children nor zombies */
    assert_int_equal(errno, ECHILD);
}

static void start(struct stage *g, struct seen *seen, const char *server_id)
{
    struct spawner_order order = { .name = "Server 1", .server_id = server_id, .tag = seen };
    memset(seen, 0, sizeof *seen);
    seen->handle = spawner_process.start(g->spawner, &order);
    assert_non_null(seen->handle);
    assert_int_equal(seen->started + seen->exited, 0); /* never from inside */
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* Runs the loop until the condition holds; the tick is for conditions that no event announces. */
#define WAIT_FOR(g_, condition_)                                                      \
    do {                                                                              \
        struct timeval tick_ = { .tv_usec = 2000 };                                   \
        struct event *ticker_ = event_new((g_)->base, -1, EV_PERSIST, on_tick, NULL); \
        event_add(ticker_, &tick_);                                                   \
        uint64_t end_ = clock_now_ns() + DEADLINE_MS * CLOCK_NS_PER_MS;               \
        while (!(condition_) && clock_now_ns() < end_) {                              \
            event_base_loop((g_)->base, EVLOOP_ONCE);                                 \
        }                                                                             \
        event_free(ticker_);                                                          \
        assert_true(condition_);                                                      \
    } while (0)

static char *path_in(const struct stage *g, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", g->directory, name);
    return path;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The whole file, up to 4 KiB. */
static const char *content(const char *path)
{
    static char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static uint16_t port_of(const struct seen *seen)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&seen->what.address;
    assert_int_equal(in->sin_family, AF_INET);
    assert_int_equal(in->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    return ntohs(in->sin_port);
}

/* ------------------------------------------------------------------ starting */

static void test_starts_and_sees_the_exit(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.started);
    assert_true(seen.what.pid > 0);
    assert_true(port_of(&seen) >= g.config.replicas.process.base_port);
    assert_int_equal(getpgid(seen.what.pid), seen.what.pid);
    assert_int_equal(kill(seen.what.pid, SIGKILL), 0);
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "killed by SIGKILL");
    assert_int_equal(seen.started, 1);
    assert_int_equal(kill(seen.what.pid, 0), -1); /* reaped */

    set_command(&g, "/bin/sh", "-c", "exit 3");
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "exited with status 3");
    close_stage(&g);
}

/* What makes this process a bad example for its children: a blocked and two ignored signals, a variable that
 * they get another value of, something to read on standard input, a descriptor that exec does not close. */
struct bad_example {
    sigset_t mask;
    int input, stray;
};

static void set_bad_example(struct bad_example *x)
{
    sigset_t blocked;
    int ends[2];
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, &x->mask);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    setenv("SERVER_ID", "from outside", 1);
    setenv("PORTAL", "kept", 1);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "input", 5), 5);
    close(ends[1]);
    x->input = fcntl(0, F_DUPFD_CLOEXEC, 3);
    dup2(ends[0], 0);
    close(ends[0]);
    x->stray = open("/dev/null", O_RDONLY);
}

static void unset_bad_example(const struct bad_example *x)
{
    close(x->stray);
    dup2(x->input, 0);
    close(x->input);
    unsetenv("SERVER_ID");
    unsetenv("PORTAL");
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &x->mask, NULL);
}

static unsigned count_of(const char *text, const char *word)
{
    unsigned n = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

static void test_what_the_child_gets(void **state)
{
    struct stage g;
    struct seen seen;
    struct bad_example bad;
    (void)state;
    open_stage(&g);
    set_bad_example(&bad);
    char *script = mem_format(
        "cd %s; tr '\\0' '\\n' < /proc/$$/environ | grep -a -E '^(SERVER_ID|PORT|PORTAL|ADDRESS)=' > env; "
        "cat > input; ls /proc/self/fd > fds; grep Sig /proc/self/status > signals",
        g.directory);
    set_command(&g, "/bin/sh", "-c", script);
    start(&g, &seen, "emergency_52");
    WAIT_FOR(&g, seen.exited);
    unset_bad_example(&bad);
    assert_string_equal(seen.why, "exited with status 0");

    char port[32];
    snprintf(port, sizeof port, "\nPORT=%u\n", port_of(&seen));
    const char *env = content(path_in(&g, "env"));
    assert_non_null(strstr(env, "SERVER_ID=emergency_52\n"));
    assert_int_equal(count_of(env, "SERVER_ID="), 1);
    assert_non_null(strstr(env, port));
    assert_non_null(strstr(env, "PORTAL=kept\n"));
    assert_non_null(strstr(env, "ADDRESS=127.0.0.1\n"));
    assert_string_equal(content(path_in(&g, "input")), "");
    assert_string_equal(content(path_in(&g, "fds")), "0\n1\n2\n3\n"); /* 3 is the directory that ls reads */
    const char *signals = content(path_in(&g, "signals"));
    assert_non_null(strstr(signals, "SigBlk:\t0000000000000000"));
    assert_non_null(strstr(signals, "SigIgn:\t0000000000000000"));
    free(script);
    close_stage(&g);
}

static void test_what_can_not_be_run(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    set_command(&g, "/nonexistent/backend", NULL, NULL);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.exited);
    assert_int_equal(seen.started, 0);
    assert_string_equal(seen.why, "cannot run /nonexistent/backend: No such file or directory");

    set_command(&g, "/etc/passwd", NULL, NULL);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "cannot run /etc/passwd: Permission denied");

    set_command(&g, "no-such-program-anywhere", NULL, NULL);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "cannot run no-such-program-anywhere: No such file or directory");

    set_command(&g, "sleep", "1000", NULL); /* found in PATH */
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.started);

    set_command(&g, NULL, NULL, NULL);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "replicas.process.command is empty");

    set_command(&g, "/bin/true", NULL, NULL);
    free(g.config.replicas.process.address);
    g.config.replicas.process.address = mem_text("localhost");
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "replicas.process.address: \"localhost\" is no numeric address");
    close_stage(&g);
}

/* ------------------------------------------------------------------ ports */

static int listen_on(uint32_t address, uint16_t port)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(address) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void test_ports(void **state)
{
    struct stage g;
    struct seen a, b, c;
    (void)state;
    open_stage(&g);
    uint16_t base = g.config.replicas.process.base_port;
    int taken = listen_on(INADDR_LOOPBACK, base);
    start(&g, &a, "1");
    start(&g, &b, "2");
    WAIT_FOR(&g, a.started && b.started);
    assert_true(port_of(&a) > base);
    assert_true(port_of(&b) > port_of(&a));
    close(taken);
    start(&g, &c, "3");
    WAIT_FOR(&g, c.started);
    assert_int_equal(port_of(&c), base);
    spawner_process.stop(g.spawner, c.handle, SPAWNER_KILL);
    WAIT_FOR(&g, c.exited);
    taken = listen_on(0x7f000002, base); /* another address of this machine: the wildcard can't be bound */
    start(&g, &c, "3");
    WAIT_FOR(&g, c.started);
    assert_true(port_of(&c) > base);
    spawner_process.stop(g.spawner, a.handle, SPAWNER_KILL);
    uint16_t freed = port_of(&a);
    WAIT_FOR(&g, a.exited);
    start(&g, &a, "1");
    WAIT_FOR(&g, a.started);
    assert_int_equal(port_of(&a), freed);
    close(taken);
    close_stage(&g);
}

static void test_no_port_left(void **state)
{
    struct stage g;
    struct seen seen, next;
    (void)state;
    open_stage(&g);
    g.config.replicas.process.base_port = 65535;
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.started || seen.exited);
    start(&g, &next, "2");
    WAIT_FOR(&g, next.exited);
    assert_non_null(strstr(next.why, "no free port from replicas.process.base_port = 65535 up to 65535"));
    close_stage(&g);
}

static void test_ipv6(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    free(g.config.replicas.process.address);
    g.config.replicas.process.address = mem_text("::1");
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.started);
    const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)&seen.what.address;
    assert_int_equal(in->sin6_family, AF_INET6);
    assert_int_equal(seen.what.address_len, sizeof *in);
    assert_true(ntohs(in->sin6_port) >= g.config.replicas.process.base_port);
    close_stage(&g);
}

/* ------------------------------------------------------------------ stopping */

static void test_asked_and_killed(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.started);
    spawner_process.stop(g.spawner, seen.handle, SPAWNER_ASK);
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "killed by SIGTERM");

    /* One that does not listen, with a child of its own in its group. */
    char *script = mem_format("trap '' TERM; sleep 1000 & echo $! > %s/inner; touch %s/ready; wait; wait",
                              g.directory, g.directory);
    set_command(&g, "/bin/sh", "-c", script);
    start(&g, &seen, "1");
    WAIT_FOR(&g, exists(path_in(&g, "ready")));
    pid_t inner = (pid_t)atoi(content(path_in(&g, "inner")));
    int inner_fd = (int)syscall(SYS_pidfd_open, inner, 0);
    assert_true(inner_fd >= 0);
    spawner_process.stop(g.spawner, seen.handle, SPAWNER_ASK);
    spawner_process.stop(g.spawner, seen.handle, SPAWNER_ASK);
    spawner_process.stop(g.spawner, seen.handle, SPAWNER_KILL);
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "killed by SIGKILL");
    struct pollfd end = { .fd = inner_fd, .events = POLLIN };
    assert_int_equal(poll(&end, 1, (int)DEADLINE_MS), 1);
    close(inner_fd);
    free(script);
    close_stage(&g);
}

static void test_exit_takes_the_group_along(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    char *script = mem_format("sleep 1000 & echo $! > %s/inner; kill -STOP $$; exit 0", g.directory);
    set_command(&g, "/bin/sh", "-c", script);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.started && exists(path_in(&g, "inner")) && *content(path_in(&g, "inner")));
    pid_t inner = (pid_t)atoi(content(path_in(&g, "inner")));
    int inner_fd = (int)syscall(SYS_pidfd_open, inner, 0);
    assert_true(inner_fd >= 0);
    WAIT_FOR(&g,
             seen.exited || (kill(seen.what.pid, SIGCONT), seen.exited)); /* it may not have stopped yet */
    struct pollfd end = { .fd = inner_fd, .events = POLLIN };
    assert_int_equal(poll(&end, 1, (int)DEADLINE_MS), 1);
    close(inner_fd);
    free(script);
    close_stage(&g);
}

static void test_a_stopped_process_can_be_asked(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    char *script =
        mem_format("trap 'exit 7' TERM; touch %s/ready; while :; do sleep 0.01; done", g.directory);
    set_command(&g, "/bin/sh", "-c", script);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.started && exists(path_in(&g, "ready")));
    assert_int_equal(kill(seen.what.pid, SIGSTOP), 0);
    spawner_process.stop(g.spawner, seen.handle, SPAWNER_ASK);
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "exited with status 7");
    free(script);
    close_stage(&g);
}

static void test_stopped_before_it_started(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    start(&g, &seen, "1");
    spawner_process.stop(g.spawner, seen.handle, SPAWNER_ASK);
    WAIT_FOR(&g, seen.exited);
    assert_int_equal(seen.started, 0);
    set_command(&g, "/nonexistent", NULL, NULL);
    start(&g, &seen, "1");
    spawner_process.stop(g.spawner, seen.handle, SPAWNER_KILL);
    WAIT_FOR(&g, seen.exited);
    close_stage(&g);
}

static void test_close_leaves_nothing(void **state)
{
    struct stage g;
    struct seen seen[5];
    (void)state;
    open_stage(&g);
    for (int i = 0; i < 5; i++) {
        start(&g, &seen[i], "1");
    }
    WAIT_FOR(&g, seen[0].started && seen[4].started);
    close_stage(&g); /* asserts that there is no child left */
    assert_int_equal(seen[0].exited, 0);
}

/* ------------------------------------------------------------------ leaks, death */

static unsigned count_descriptors(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

static void test_two_hundred_cycles(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    unsigned before = 0;
    for (int i = 0; i < 200; i++) {
        if (i == 1) {
            before = count_descriptors();
        }
        set_command(&g, i % 4 == 3 ? "/nonexistent" : "/bin/sleep", "1000", NULL);
        start(&g, &seen, "1");
        if (i % 4 < 2) {
            WAIT_FOR(&g, seen.started);
        }
        spawner_process.stop(g.spawner, seen.handle, i % 2 ? SPAWNER_ASK : SPAWNER_KILL);
        WAIT_FOR(&g, seen.exited);
    }
    assert_int_equal(count_descriptors(), before);
    close_stage(&g);
}

/* Starts a child, says its pid, and waits to be killed. */
static void be_a_balancer(int out)
{
    struct stage g;
    struct seen seen;
    open_stage(&g);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.started);
    ssize_t written = write(out, &seen.what.pid, sizeof seen.what.pid);
    rmdir(g.directory);
    while (written > 0) {
        pause();
    }
    _exit(1);
}

static void test_children_die_with_their_parent(void **state)
{
    int ends[2];
    pid_t pid, child;
    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        be_a_balancer(ends[1]);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &child, sizeof child), sizeof child);
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    assert_true(fd >= 0);
    struct pollfd end = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&end, 1, 0), 0); /* it lives */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(poll(&end, 1, (int)DEADLINE_MS), 1);
    close(fd);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_and_sees_the_exit),
        cmocka_unit_test(test_what_the_child_gets),
        cmocka_unit_test(test_what_can_not_be_run),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_no_port_left),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_asked_and_killed),
        cmocka_unit_test(test_exit_takes_the_group_along),
        cmocka_unit_test(test_a_stopped_process_can_be_asked),
        cmocka_unit_test(test_stopped_before_it_started),
        cmocka_unit_test(test_close_leaves_nothing),
        cmocka_unit_test(test_two_hundred_cycles),
        cmocka_unit_test(test_children_die_with_their_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
