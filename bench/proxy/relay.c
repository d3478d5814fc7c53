/*
 * relay.c - the limit: a relay that parses nothing.
 *
 * Owns     pairs of sockets: each client gets one connection to the replica, and bytes are copied both ways.
 * Used by  bench/proxy, as the lower bound that a proxy which reads and rewrites HTTP can be compared with.
 * Thread   one.
 *
 * Usage: relay LISTEN_PORT REPLICA_PORT. Level-triggered epoll, one read and one write for each piece; a piece that the other side
 * does not take at once is waited for. It is no product: an error on one side closes both.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE       65536
#define EVENTS      256
#define DESCRIPTORS 65536

static int other[DESCRIPTORS]; /* the descriptor at the far side; 0: none */

static int open_socket(uint16_t port, int listening)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int failed = listening ? bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096)
                           : connect(fd, (struct sockaddr *)&at, sizeof at);
    if (!failed)
        return fd;
    perror(listening ? "relay: listen" : "relay: connect");
    close(fd);
    return -1;
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_pair(int epoll, int listener, uint16_t replica_port)
{
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    int replica = open_socket(replica_port, 0);
    if (replica < 0 || client >= DESCRIPTORS || replica >= DESCRIPTORS) {
        close(client);
        if (replica >= 0)
            close(replica);
        return;
    }
    other[client] = replica;
    other[replica] = client;
    watch(epoll, client);
    watch(epoll, replica);
}

static void close_pair(int fd)
{
    int far = other[fd];
    other[fd] = other[far] = 0;
    close(fd);
    close(far);
}

static int write_all(int fd, const char *bytes, ssize_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, (size_t)len, MSG_NOSIGNAL);
        if (n < 0)
            return -1;
        bytes += n;
        len -= n;
    }
    return 0;
}

static void copy_piece(int fd)
{
    static char piece[PIECE];
    if (other[fd] == 0)
        return; /* closed by an earlier event of this turn */
    ssize_t n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
    if (n <= 0 || write_all(other[fd], piece, n) < 0)
        close_pair(fd);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: relay LISTEN_PORT REPLICA_PORT\n");
        return 2;
    }
    uint16_t replica_port = (uint16_t)atoi(argv[2]);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = open_socket((uint16_t)atoi(argv[1]), 1);
    if (listener < 0)
        return 3;
    watch(epoll, listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_pair(epoll, listener, replica_port);
            else
                copy_piece(events[i].data.fd);
        }
    }
}
