/*
 * load.c - requests at their intended times, or a fixed number in flight, over any number of connections.
 *
 * Owns     the connections and the samples.
 * Used by  bench/proxy: p99 under a given rate, reloads at full load, and what a connection more costs.
 * Thread   one.
 *
 * Usage: load PORT CONNECTIONS SECONDS rate N | flight N
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

#define EVENTS 512
#define REPLY  4096 /* bytes of a reply at most, head and body */

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

static void open_one(uint32_t i)
{
    struct connection *c = &connections[i];
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at) < 0) {
        perror("load: connect");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &event);
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
            if (hear(events[e].data.u32) && !by_rate)
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

int main(int argc, char **argv)
{
    if (argc != 6 || (strcmp(argv[4], "rate") && strcmp(argv[4], "flight"))) {
        fprintf(stderr, "usage: load PORT CONNECTIONS SECONDS rate N | flight N\n");
        return 2;
    }
    port = (uint16_t)atoi(argv[1]);
    n_connections = (uint32_t)atoi(argv[2]);
    connections = calloc(n_connections, sizeof *connections);
    resting = calloc(n_connections, sizeof *resting);
    loop = epoll_create1(EPOLL_CLOEXEC);
    prctl(PR_SET_TIMERSLACK, 1000ul); /* ns: to be in time */
    request_len =
        (size_t)snprintf(request, sizeof request, "GET /home HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", port);
    for (uint32_t i = 0; i < n_connections; i++)
        open_one(i);
    puts("ready");
    fflush(stdout);
    run((uint64_t)atoi(argv[3]), argv[4][0] == 'r', strtoull(argv[5], NULL, 10));
    qsort(samples, n_samples, sizeof *samples, compare);
    printf(
        "{\"sent\": %lu, \"requests\": %zu, \"errors\": %lu, \"closed\": %lu, \"bad\": %lu, \"p50\": %u, \"p99\": %u, "
        "\"p999\": %u, \"max\": %u}\n",
        sent, n_samples, errors, closed, bad, quantile(0.5), quantile(0.99), quantile(0.999), quantile(1));
    fflush(stdout);
    usleep(200000); /* who reads this looks at the server's clock now, before all the connections close */
    return 0;
}
