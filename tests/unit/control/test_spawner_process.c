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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "lb_plugin.h"
#include "unit/control/loop_kit.h"
#include "unit/control/spawner_kit.h"
#include "world/config.h"

struct stage {
    struct event_base *base;
    struct config config;
    struct spawner *spawner;
    char *command[8];
    char directory[64];
};

static const struct spawner_hooks hooks = { .started = seen_started, .exited = seen_exited };

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

static char nothing[] = "";

static void open_stage(struct stage *g)
{
    char why[200] = "";
    memset(g, 0, sizeof *g);
    g->base = event_base_new();
    g->config.refs = 1;
    g->config.replicas.process.base_port = free_port();
    g->config.replicas.process.address = mem_text("127.0.0.1");
    g->config.replicas.process.directory = g->config.replicas.process.user =
        g->config.replicas.process.group = nothing;
    g->config.replicas.process.output = OUTPUT_INHERIT;
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
    assert_int_equal(poll(&end, 1, (int)LOOP_PATIENCE_MS), 1);
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
    assert_int_equal(poll(&end, 1, (int)LOOP_PATIENCE_MS), 1);
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

/* ------------------------------------------------------------------ what it says */

/* Sends the log to a file of the stage. */
static char *catch_log(const struct stage *g)
{
    char *path = mem_text(path_in(g, "log"));
    assert_int_equal(log_open(path), 0);
    return path;
}

static void give_log_back(char *path)
{
    log_open(NULL);
    free(path);
}

/* Lets the script run to its end with its output going into the log, and gives the log back. */
static char *say(struct stage *g, const char *script, struct spawner_figures *figures)
{
    struct seen seen;
    char *path = catch_log(g);
    size_t room = 4u << 20;
    char *text = mem_zero(room, 1),
         *ended = mem_format("%s; touch %s/ended; sleep 1000", script, g->directory);
    g->config.replicas.process.output = OUTPUT_LOG;
    g->config.replicas.process.output_lines = 50;
    set_command(g, "/bin/sh", "-c", ended);
    start(g, &seen, "1");
    WAIT_FOR(g, exists(path_in(g, "ended")));
    spawner_process.figures(seen.handle, figures);
    spawner_process.stop(g->spawner, seen.handle, SPAWNER_KILL);
    WAIT_FOR(g, seen.exited);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, text, room - 1) >= 0);
    close(fd);
    unlink(path_in(g, "ended"));
    give_log_back(path);
    free(ended);
    return text;
}

static void test_output_goes_into_the_log(void **state)
{
    struct stage g;
    struct spawner_figures figures;
    (void)state;
    open_stage(&g);
    char *log = say(&g, "echo one; echo two >&2; echo; printf 'crlf\\r\\n'; printf 'no end'", &figures);
    const char *one = strstr(log, " info  replica \"Server 1\" says: one\n");
    const char *two = strstr(log, "says: two\n"), *last = strstr(log, "says: no end\n");
    assert_non_null(one);
    assert_non_null(two);
    assert_non_null(last);
    assert_true(one < two && two < last);
    assert_non_null(strstr(log, "says: crlf\n"));
    assert_int_equal(count_of(log, "says:"), 4);
    free(log);
    close_stage(&g);
}

static void test_long_and_dirty_lines(void **state)
{
    struct stage g;
    struct spawner_figures figures;
    (void)state;
    open_stage(&g);
    char *log = say(&g, "head -c 300000 /dev/zero | tr '\\0' x; echo; printf 'a\\033[31mb\\n'", &figures);
    const char *at = strstr(log, "says: xxx");
    assert_non_null(at);
    assert_int_equal(strspn(at + strlen("says: "), "x"), 1000);
    assert_non_null(strstr(log, "xxx …\n"));
    assert_non_null(strstr(log, "says: a?[31mb\n"));
    assert_int_equal(count_of(log, "says:"), 2);
    free(log);
    close_stage(&g);
}

/* 2,000,000 lines: the log gets some of them, and the rest is counted; nobody waits for long. */
static void test_a_flood(void **state)
{
    struct stage g;
    struct spawner_figures figures;
    (void)state;
    open_stage(&g);
    char *log = say(&g, "yes | head -n 2000000", &figures);
    unsigned long long dropped = 0, told = 0;
    for (const char *at = log; (at = strstr(at, "says too much: ")); at++) {
        assert_int_equal(sscanf(at, "says too much: %llu lines were left out", &told), 1);
        dropped += told;
    }
    unsigned said = count_of(log, "says: y\n");
    assert_true(said >= 50);
    assert_true(said < 20000); /* 50 a second */
    assert_int_equal(said + dropped, 2000000);
    assert_true(figures.lines + figures.dropped > 1000000);
    free(log);
    close_stage(&g);
}

static void test_output_can_go_nowhere(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    g.config.replicas.process.output = OUTPUT_DISCARD;
    char *script = mem_format(
        "exec 3> %s/where; readlink /proc/$$/fd/1 >&3; readlink /proc/$$/fd/2 >&3; true", g.directory);
    set_command(&g, "/bin/sh", "-c", script);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.exited);
    assert_non_null(strstr(content(path_in(&g, "where")), "/dev/null"));
    free(script);
    close_stage(&g);
}

/* ------------------------------------------------------------------ what it may do */

static void test_limits_directory_environment(void **state)
{
    struct stage g;
    struct seen seen;
    char *settings[] = { "COLOUR=blue", "PORT=1", "COLOUR=green" };
    (void)state;
    open_stage(&g);
    g.config.replicas.process.environment = (struct config_list){ .items = settings, .count = 3 };
    g.config.replicas.process.directory = g.directory;
    g.config.replicas.process.open_files = 77;
    g.config.replicas.process.memory_mib = 900;
    g.config.replicas.process.processes = 3333;
    g.config.replicas.process.cpu_seconds = 55;
    g.config.replicas.process.file_mib = 3;
    set_command(&g, "/bin/sh", "-c",
                "pwd > where; cat /proc/self/limits > limits; env > env; ulimit -n >> where");
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "exited with status 0");
    char *where = mem_format("%s\n77\n", g.directory);
    assert_string_equal(content(path_in(&g, "where")), where);
    const char *limits = content(path_in(&g, "limits"));
    assert_non_null(strstr(limits, "Max cpu time              55                   55"));
    assert_non_null(strstr(limits, "Max address space         943718400            943718400"));
    assert_non_null(strstr(limits, "Max processes             3333                 3333"));
    assert_non_null(strstr(limits, "Max file size             3145728              3145728"));
    const char *env = content(path_in(&g, "env"));
    assert_int_equal(count_of(env, "COLOUR="), 1);
    assert_non_null(strstr(env, "COLOUR=green\n"));
    assert_null(strstr(env, "PORT=1\n"));
    free(where);

    g.config.replicas.process.directory = "/nonexistent";
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "cannot enter the directory of /bin/sh: No such file or directory");
    close_stage(&g);
}

static void test_user_and_group(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    if (getuid() != 0) {
        skip();
    }
    open_stage(&g);
    g.config.replicas.process.user = "nobody";
    assert_int_equal(chmod(g.directory, 0777), 0);
    g.config.replicas.process.directory = g.directory;
    spawner_process.apply(g.spawner, &g.config);
    set_command(&g, "/bin/sh", "-c",
                "id -un > who; id -Gn >> who; grep CapEff /proc/self/status >> who; exec sleep 9");
    start(&g, &seen, "1");
    WAIT_FOR(&g, exists(path_in(&g, "who")) && strstr(content(path_in(&g, "who")), "CapEff"));
    assert_string_equal(content(path_in(&g, "who")), "nobody\nnogroup\nCapEff:\t0000000000000000\n");
    spawner_process.stop(g.spawner, seen.handle, SPAWNER_ASK); /* we may still do that */
    WAIT_FOR(&g, seen.exited);

    g.config.replicas.process.user = "12345";
    g.config.replicas.process.group = "daemon";
    unlink(path_in(&g, "who"));
    spawner_process.apply(g.spawner, &g.config);
    set_command(&g, "/bin/sh", "-c", "id -u > who; id -gn >> who");
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(content(path_in(&g, "who")), "12345\ndaemon\n");

    g.config.replicas.process.user = "nobody-here";
    spawner_process.apply(g.spawner, &g.config);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.exited);
    assert_string_equal(seen.why, "replicas.process.user: there is no user \"nobody-here\"");
    close_stage(&g);
}

/* ------------------------------------------------------------------ who has its port */

static void test_impostor(void **state)
{
    struct stage g;
    struct seen seen;
    char why[200] = "";
    (void)state;
    open_stage(&g);
    start(&g, &seen, "1");
    WAIT_FOR(&g, seen.started);
    assert_false(spawner_process.is_impostor(g.spawner, seen.handle, why, sizeof why)); /* nobody listens */
    int fd = listen_on(INADDR_LOOPBACK, port_of(&seen));
    assert_true(spawner_process.is_impostor(g.spawner, seen.handle, why, sizeof why));
    char *sentence = mem_format("another program has taken its port %u and answers there", port_of(&seen));
    assert_string_equal(why, sentence);
    close(fd);
    free(sentence);

    /* The child itself, and a child of it in a session of its own. */
    static const char *const scripts[] = {
        "import os, socket, time; s = socket.create_server(('127.0.0.1', int(os.environ['PORT']))); time.sleep(99)",
        "import os, socket, time\ns = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
        "p, me = os.fork(), os.getpid()\nif p: s.close(); time.sleep(99)\nos.setsid(); parent = os.getppid()\n"
        "while os.getppid() == parent: time.sleep(0.01)",
    };
    for (int i = 0; i < 2; i++) {
        set_command(&g, "/usr/bin/python3", "-c", scripts[i]);
        start(&g, &seen, "1");
        WAIT_FOR(&g, seen.started && !can_listen(port_of(&seen)));
        WAIT_FOR(&g, !spawner_process.is_impostor(g.spawner, seen.handle, why, sizeof why));
        spawner_process.stop(g.spawner, seen.handle, SPAWNER_KILL);
        WAIT_FOR(&g, seen.exited);
    }
    close_stage(&g);
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

static void test_a_thousand_cycles(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    unsigned before = 0;
    g.config.replicas.process.output = OUTPUT_LOG;
    g.config.replicas.process.output_lines = 1;
    for (int i = 0; i < 1000; i++) {
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
    assert_int_equal(poll(&end, 1, (int)LOOP_PATIENCE_MS), 1);
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
        cmocka_unit_test(test_output_goes_into_the_log),
        cmocka_unit_test(test_long_and_dirty_lines),
        cmocka_unit_test(test_a_flood),
        cmocka_unit_test(test_output_can_go_nowhere),
        cmocka_unit_test(test_limits_directory_environment),
        cmocka_unit_test(test_user_and_group),
        cmocka_unit_test(test_impostor),
        cmocka_unit_test(test_a_thousand_cycles),
        cmocka_unit_test(test_children_die_with_their_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
