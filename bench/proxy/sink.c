/*
 * sink.c - a replica that reads bodies and throws them away.
 *
 * Owns     its connections.
 * Used by  bench/proxy: what an upload costs.
 * Thread   one.
 *
 * Usage: sink PORT. Understands what proxies forward: a Content-Length in canonical form, or none. The body is dropped inside the kernel
 * (MSG_TRUNC), so that this end stays cheaper than any proxy. Every request is answered once its body is there, with the bytes of all
 * bodies so far: who asks before and after a run knows what came, unfinished uploads as well. Chunks are answered by 501: a proxy that
 * frames anew is not compared with one that does not.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS      256
#define DESCRIPTORS 65536
#define HEAD        8192
#define PIECE       (4 << 20)

/* One connection; a head is read with what of the body came with it, the rest is dropped. */
struct connection {
    uint64_t left; /* of the body */
    uint32_t len;  /* of the head, so far */
    char head[HEAD + 1];
};

static struct connection *connections[DESCRIPTORS];
static uint64_t total;

static void drop(int fd)
{
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

static int answer(int fd, const char *status)
{
    char reply[160], body[32];
    int len = snprintf(body, sizeof body, "%llu\n", (unsigned long long)total);
    int n = snprintf(reply, sizeof reply, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len, body);
    return send(fd, reply, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -1;
}

/* -1: the connection is of no use any more; 0: no more for now. */
static int read_body(int fd, struct connection *c)
{
    while (c->left > 0) {
        size_t ask = c->left < PIECE ? (size_t)c->left : PIECE;
        ssize_t n = recv(fd, NULL, ask, MSG_TRUNC | MSG_DONTWAIT);
        if (n <= 0)
            return n < 0 ? 0 : -1;
        c->left -= (uint64_t)n;
        total += (uint64_t)n;
    }
    return answer(fd, "200 OK");
}

static int read_head(int fd, struct connection *c)
{
    ssize_t n = recv(fd, c->head + c->len, HEAD - c->len, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 ? 0 : -1;
    c->len += (uint32_t)n;
    c->head[c->len] = '\0';
    char *end = memmem(c->head, c->len, "\r\n\r\n", 4);
    if (!end)
        return c->len == HEAD ? -1 : 0;
    uint64_t came = c->len - (uint64_t)(end + 4 - c->head);
    end[2] = '\0';
    const char *length = strcasestr(c->head, "\ncontent-length:");
    c->len = 0;
    if (strcasestr(c->head, "\ntransfer-encoding:"))
        return answer(fd, "501 Not Implemented");
    c->left = length ? strtoull(length + 16, NULL, 10) : 0;
    if (came > c->left)
        return -1; /* nobody pipelines here */
    c->left -= came;
    total += came;
    return read_body(fd, c);
}

static void admit(int loop, int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (fd >= DESCRIPTORS || !(connections[fd] = calloc(1, sizeof **connections))) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(argc > 1 ? (uint16_t)atoi(argv[1]) : 0),
                              .sin_addr.s_addr = htonl(INADDR_ANY) };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1,
        loop = epoll_create1(EPOLL_CLOEXEC);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct epoll_event events[EVENTS] = { { .events = EPOLLIN, .data.fd = listener } };
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096) ||
        epoll_ctl(loop, EPOLL_CTL_ADD, listener, events)) {
        perror("sink");
        return 1;
    }
    for (;;) {
        int n = epoll_wait(loop, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            struct connection *c = connections[fd];
            if (fd == listener)
                admit(loop, listener);
            else if (c && (c->left > 0 ? read_body(fd, c) : read_head(fd, c)) < 0)
                drop(fd);
        }
    }
}
