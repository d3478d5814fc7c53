/*
 * load.c - requests at their intended times, or a fixed number in flight, over any number of connections.
 *
 * Owns     the connections and the samples; the replica's end of things, when it serves.
 * Used by  bench/proxy: p99 under a given rate, reloads at full load, and what a connection more costs.
 * Thread   one.
 *
 * Usage: load PORT CONNECTIONS SECONDS rate N | flight N
 *        load serve PORT
 *
 * serve: it is the replica, too, on PORT of every address, and does what is asked for in lines of its standard input, each like the arguments
 * above. Where clients and replica share a core as two programs, the scheduler's turns of milliseconds are all that a p99 shows; one thread
 * that is both has no turns to wait for.
 *
 * rate: an open loop, N requests a second. Request k is due at k/N seconds, whatever became of those before it, and its latency counts
 * from then: a server that stalls can't slow the questions down and so hide its stall ("coordinated omission", Gil Tene 2013).
 * flight: a closed loop, always N unanswered; latency counts from sending. Either way the connections take turns, the one that has
 * rested longest first. All are open before the clock starts; one that is closed is opened again, and counted; so is the request that
 * was lost with it. Prints "ready" when the clock starts, and at the end one line of JSON: requests, errors, closed, bad (not 2xx), and latencies in microseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS      512
#define DESCRIPTORS 65536
#define REPLY       4096 /* bytes of a reply at most, head and body */

struct connection {
    int fd;
    bool busy;
    uint64_t since_ns;
    uint32_t len; /* of the reply, so far */
    char reply[REPLY];
};

static struct connection *connections;
static uint32_t n_connections, *resting, n_resting, first_resting; /* a ring of those that may be used */
static uint32_t *samples;                                          /* microseconds */
static size_t n_samples, room_samples;
static uint64_t sent, errors, closed, bad;
static char request[256];
static size_t request_len;
static uint16_t port;
static int loop;

/* What an event is about: in the upper half of its data; below it is a connection's number or a descriptor. */
enum about { CLIENT, LISTENER, SERVED, COMMANDS };

static uint8_t matched
    [DESCRIPTORS]; /* octets of the empty line behind a request's head that a served connection has sent */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void rest(uint32_t i)
{
    resting[(first_resting + n_resting++) % n_connections] = i;
}

static void watch(int fd, enum about about, uint32_t who)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)about << 32 | who };
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

static void open_one(uint32_t i)
{
    struct connection *c = &connections[i];
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at) < 0) {
        perror("load: connect");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(c->fd, CLIENT, i);
    c->busy = false;
    c->len = 0;
    rest(i);
}

static void sample(uint64_t ns)
{
    if (n_samples == room_samples) {
        room_samples = room_samples ? 2 * room_samples : 1 << 20;
        samples = realloc(samples, room_samples * sizeof *samples);
        if (!samples)
            exit(1);
    }
    samples[n_samples++] = (uint32_t)(ns / 1000);
}

/* False: nobody is free. */
static bool send_one(uint64_t due_ns)
{
    if (n_resting == 0)
        return false;
    struct connection *c = &connections[resting[first_resting]];
    first_resting = (first_resting + 1) % n_connections;
    n_resting--;
    c->busy = true;
    c->since_ns = due_ns;
    c->len = 0;
    sent++;
    if (send(c->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len)
        c->since_ns = due_ns; /* the end of the connection is noticed when it is read */
    return true;
}

/* The bytes of the whole reply, or 0 while its head is not there. */
static size_t reply_len(const struct connection *c)
{
    const char *end = memmem(c->reply, c->len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    const char *length = strcasestr(c->reply, "\ncontent-length:");
    return (size_t)(end + 4 - c->reply) + (length ? strtoul(length + 16, NULL, 10) : 0);
}

/* Reads; true when a reply is whole. */
static bool hear(uint32_t i)
{
    struct connection *c = &connections[i];
    ssize_t n = recv(c->fd, c->reply + c->len, REPLY - 1 - c->len, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        close(c->fd);
        closed++;
        if (!c->busy) { /* it stands among the resting ones: replaced where it stands */
            n_resting--;
            for (uint32_t k = 0, to = 0; k <= n_resting; k++) {
                uint32_t who = resting[(first_resting + k) % n_connections];
                if (who != i)
                    resting[(first_resting + to++) % n_connections] = who;
            }
        } else {
            errors++;
        }
        bool lost = c->busy;
        open_one(i);
        return lost;
    }
    c->len += (uint32_t)n;
    c->reply[c->len] = '\0';
    size_t whole = reply_len(c);
    if (whole == 0 || c->len < whole)
        return false;
    if (c->reply[9] != '2')
        bad++;
    sample(now_ns() - c->since_ns);
    c->busy = false;
    rest(i);
    return true;
}

/* ------------------------------------------------------------------ the replica */

static void accept_served(int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || fd >= DESCRIPTORS) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    matched[fd] = 0;
    watch(fd, SERVED, (uint32_t)fd);
}

/* One answer for each head; no request has a body. */
static void answer(int fd)
{
    static const char end[] = "\r\n\r\n";
    static const char reply[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 57\r\n\r\n"
        "{\"message\":\"Hello from Server: 1\",\"status\":\"successful\"}\n";
    char bytes[16384];
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    for (ssize_t i = 0; i < n; i++) {
        matched[fd] = bytes[i] == end[matched[fd]] ? matched[fd] + 1 : bytes[i] == end[0];
        if (matched[fd] < sizeof end - 1)
            continue;
        matched[fd] = 0;
        if (send(fd, reply, sizeof reply - 1, MSG_NOSIGNAL) != (ssize_t)sizeof reply - 1)
            n = 0;
    }
    if (n <= 0)
        close(fd);
}

/* True when a client has its answer. */
static bool take(const struct epoll_event *event)
{
    uint32_t who = (uint32_t)event->data.u64;
    switch ((enum about)(event->data.u64 >> 32)) {
    case CLIENT: return hear(who);
    case LISTENER: accept_served((int)who); break;
    case SERVED: answer((int)who); break;
    case COMMANDS: break; /* read when this one is done */
    }
    return false;
}

/* ------------------------------------------------------------------ measuring */

/* In an open loop what is due is sent, late if nobody was free. */
static void run(uint64_t seconds, bool by_rate, uint64_t n)
{
    struct epoll_event events[EVENTS];
    uint64_t start = now_ns(), end = start + seconds * 1000000000ull, k = 0;
    for (uint32_t i = 0; !by_rate && i < n; i++)
        send_one(now_ns());
    for (uint64_t now = start; now < end; now = now_ns()) {
        uint64_t due = by_rate ? start + k * 1000000000ull / n : end;
        while (by_rate && due <= now && send_one(due))
            due = start + ++k * 1000000000ull / n;
        uint64_t rest_ns = due > now ? due - now : n_resting > 0 ? 0 : 1000000;
        struct timespec wait = { .tv_sec = (time_t)(rest_ns / 1000000000ull),
                                 .tv_nsec = (long)(rest_ns % 1000000000ull) };
        int got = epoll_pwait2(loop, events, EVENTS, &wait, NULL);
        for (int e = 0; e < got; e++)
            if (take(&events[e]) && !by_rate)
                send_one(now_ns());
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t quantile(double q)
{
    return n_samples ? samples[(size_t)(q * (double)(n_samples - 1))] : 0;
}

/* What a line of arguments asks for. False: it can't be read. */
static bool measure(char **argument, int n)
{
    if (n != 5 || (strcmp(argument[3], "rate") && strcmp(argument[3], "flight")))
        return false;
    port = (uint16_t)atoi(argument[0]);
    n_connections = (uint32_t)atoi(argument[1]);
    connections = calloc(n_connections, sizeof *connections);
    resting = calloc(n_connections, sizeof *resting);
    n_resting = first_resting = 0;
    sent = errors = closed = bad = n_samples = 0;
    request_len =
        (size_t)snprintf(request, sizeof request, "GET /home HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", port);
    for (uint32_t i = 0; i < n_connections; i++)
        open_one(i);
    puts("ready");
    fflush(stdout);
    run((uint64_t)atoi(argument[2]), argument[3][0] == 'r', strtoull(argument[4], NULL, 10));
    qsort(samples, n_samples, sizeof *samples, compare);
    printf(
        "{\"sent\": %lu, \"requests\": %zu, \"errors\": %lu, \"closed\": %lu, \"bad\": %lu, \"p50\": %u, \"p99\": %u, "
        "\"p999\": %u, \"max\": %u}\n",
        sent, n_samples, errors, closed, bad, quantile(0.5), quantile(0.99), quantile(0.999), quantile(1));
    fflush(stdout);
    return true;
}

static void end_measure(void)
{
    for (uint32_t i = 0; i < n_connections; i++)
        close(connections[i].fd);
    free(connections);
    free(resting);
}

static bool obey(void)
{
    char line[256], *words[6], *rest = NULL;
    int n = 0;
    if (!fgets(line, sizeof line, stdin))
        return false;
    for (char *word = strtok_r(line, " \n", &rest); word && n < 6; word = strtok_r(NULL, " \n", &rest))
        words[n++] = word;
    if (!measure(words, n)) {
        fprintf(stderr, "load: not understood\n");
        return false;
    }
    end_measure();
    return true;
}

static int serve(uint16_t at_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(at_port) };
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) {
        perror("load: listen");
        return 3;
    }
    setvbuf(stdin, NULL, _IONBF, 0); /* what it holds back no event would tell of */
    watch(listener, LISTENER, (uint32_t)listener);
    watch(STDIN_FILENO, COMMANDS, 0);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(loop, events, EVENTS, -1);
        bool asked = false;
        for (int i = 0; i < n; i++) {
            take(&events[i]);
            asked = asked || events[i].data.u64 >> 32 == COMMANDS;
        }
        if (asked && !obey())
            return 0;
    }
}

int main(int argc, char **argv)
{
    loop = epoll_create1(EPOLL_CLOEXEC);
    prctl(PR_SET_TIMERSLACK, 1000ul); /* ns: to be in time */
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve((uint16_t)atoi(argv[2]));
    if (!measure(argv + 1, argc - 1)) {
        fprintf(stderr, "usage: load PORT CONNECTIONS SECONDS rate N | flight N\n       load serve PORT\n");
        return 2;
    }
    usleep(200000); /* who reads this looks at the server's clock now, before all the connections close */
    return 0;
}
