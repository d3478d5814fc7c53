/*
 * target_spawn.c - a balancer of our own: its ports, its start, its end.
 *
 * Owns     nothing beyond struct target.
 * Used by  target.c, the experiments.
 * Uses     conf.h; fork, exec, kill of what was started here.
 * Thread   the program's main one.
 *
 * It stands in a process group of its own, so that Ctrl-C reaches it only through us: what was measured until then is
 * written down first. Should this program die, the kernel tells it to leave.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "lab/conf.h"
#include "lab/lab.h"
#include "lab/load.h"
#include "lab/target.h"
#include "lb_plugin.h"

#define PORT_FIRST 20000 /* below those that the kernel gives to outgoing connections */
#define PORT_LAST  31000
#define READY_NS   (20000 * CLOCK_NS_PER_MS)
#define LEAVE_NS   (15000 * CLOCK_NS_PER_MS)
#define PAUSE_US   5000

/* ------------------------------------------------------------------ ports */

static bool is_free(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_ANY) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (fd >= 0)
        close(fd);
    return bound;
}

/* The first of `count` ports in a row that nobody listens on; 0 when none was found. */
static int free_ports(int count)
{
    uint64_t random = clock_now_ns() ^ (uint64_t)getpid();
    for (int attempt = 0; attempt < 200; attempt++) {
        int first = PORT_FIRST + (int)lb_scale(lb_random(&random), PORT_LAST - PORT_FIRST), n = 0;
        while (n < count && is_free(first + n))
            n++;
        if (n == count)
            return first;
    }
    return 0;
}

/* ------------------------------------------------------------------ start */

static _Noreturn void be_balancer(const char *program, const char *conf, const char *log, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    setpgid(0, 0);
    int in = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (out < 0)
        out = open("/dev/null", O_WRONLY);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    signal(SIGPIPE, SIG_DFL);
    execl(program, "ringmaster", "-c", conf, (char *)NULL);
    dprintf(STDERR_FILENO, "cannot start %s: %s\n", program, strerror(errno));
    _exit(127);
}

static void show_log(const char *log)
{
    char line[512];
    FILE *f = fopen(log, "r");
    while (f && fgets(line, sizeof line, f))
        fprintf(stderr, "  %s", line);
    if (f)
        fclose(f);
}

static bool has_left(struct target *t)
{
    if (waitpid(t->pid, NULL, WNOHANG) != t->pid)
        return false;
    t->pid = 0;
    return true;
}

static bool is_whole(struct target *t, int count)
{
    char *url = mem_format("%s/rep", t->url);
    json_t *root = http_get_json(&t->http, url, 2000);
    const json_t *n = json_object_get(json_object_get(root, "message"), "N");
    bool whole = json_is_integer(n) && (count ? json_integer_value(n) >= count : json_integer_value(n) > 0);
    json_decref(root);
    free(url);
    return whole;
}

static bool wait_ready(struct target *t, int count, const char *log)
{
    uint64_t deadline = clock_now_ns() + READY_NS;
    while (!is_whole(t, count)) {
        if (has_left(t)) {
            lab_complain("the balancer did not start; its log, %s:", log);
            show_log(log);
            return false;
        }
        if (clock_now_ns() > deadline || load_is_interrupted()) {
            lab_complain("the balancer is not ready after %.0f s; its log is %s", (double)READY_NS / 1e9,
                         log);
            return false;
        }
        usleep(PAUSE_US);
    }
    return true;
}

static bool start(struct target *t, const char *log)
{
    char *bin = target_bin(), *program = mem_format("%s/ringmaster", bin);
    pid_t parent = getpid();
    free(bin);
    unlink(log);
    if (access(program, X_OK) != 0) {
        lab_complain("--spawn starts %s, and cannot: %s", program, strerror(errno));
        free(program);
        return false;
    }
    fflush(NULL);
    t->pid = fork();
    if (t->pid == 0)
        be_balancer(program, t->conf, log, parent);
    free(program);
    if (t->pid > 0)
        return true;
    t->pid = 0;
    lab_complain("cannot start a process: %s", strerror(errno));
    return false;
}

bool target_spawn(struct target *t, const char *base_conf, const struct conf_edit *edit, const char *folder)
{
    int port = free_ports(2), base_port = free_ports(16);
    *t = (struct target){ 0 };
    if (!port || !base_port) {
        lab_complain("no free ports between %d and %d", PORT_FIRST, PORT_LAST);
        return false;
    }
    struct conf_edit e = edit ? *edit : (struct conf_edit){ .own_replicas = true };
    char *listen = mem_format("127.0.0.1:%d", port), *admin = mem_format("127.0.0.1:%d", port + 1);
    char *log = mem_format("%s/ringmaster.log", folder), *start_conf = mem_format("%s/start.conf", folder);
    e.listen = listen;
    e.admin = admin;
    e.base_port = base_port;
    t->url = mem_format("http://%s", listen);
    t->admin = mem_format("http://%s", admin);
    t->conf = mem_format("%s/lb.conf", folder);
    t->base_conf = start_conf;
    const struct conf_edit nothing = { 0 };
    bool ready = http_open(&t->http) && conf_write(base_conf, &e, start_conf) &&
                 conf_write(start_conf, &nothing, t->conf) && start(t, log) && wait_ready(t, e.count, log);
    free(listen);
    free(admin);
    free(log);
    if (!ready)
        target_close(t);
    return ready;
}

/* ------------------------------------------------------------------ end */

void target_stop(struct target *t)
{
    if (!t->pid || has_left(t))
        return;
    uint64_t deadline = clock_now_ns() + LEAVE_NS;
    kill(t->pid, SIGTERM);
    while (!has_left(t)) {
        if (clock_now_ns() > deadline) {
            kill(t->pid, SIGKILL);
            waitpid(t->pid, NULL, 0);
            t->pid = 0;
            return;
        }
        usleep(PAUSE_US);
    }
}
