/*
 * spawner_listener.c - who listens on a port of this machine?
 *
 * Owns     nothing.
 * Used by  spawner_process.c.
 * Uses     Linux: sock_diag(7) for listening sockets, /proc for who holds them.
 * Thread   control.
 *
 * The kernel lists the listening sockets of a port by their inode numbers, and /proc/PID/fd names the inodes that a
 * process holds. What cannot be looked at (another user's process, a kernel without sock_diag) gives UNKNOWN, so that a
 * doubt never takes a replica out of service.
 */
#include "control/spawner_listener.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INODES_MAX    64 /* sockets that share one port; of more the first are looked at */
#define STATE_LISTEN  10 /* TCP_LISTEN of the kernel */
#define ANCESTORS_MAX 64

struct inodes {
    size_t n;
    unsigned long of[INODES_MAX];
};

/* ------------------------------------------------------------------ the sockets of a port */

static bool ask(int fd, uint8_t family)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } request = {
        .header = { .nlmsg_len = sizeof request,
                    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
        .body = { .sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = 1u << STATE_LISTEN },
    };
    return send(fd, &request, sizeof request, 0) == sizeof request;
}

/* One message. False: it is the last one. */
static bool take(const struct nlmsghdr *header, uint16_t port, struct inodes *out, bool *failed)
{
    if (header->nlmsg_type == NLMSG_DONE) {
        return false;
    }
    if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        header->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg))) {
        *failed = true;
        return false;
    }
    const struct inet_diag_msg *socket = NLMSG_DATA(header);
    if (ntohs(socket->id.idiag_sport) == port && socket->idiag_inode && out->n < INODES_MAX) {
        out->of[out->n++] = socket->idiag_inode;
    }
    return true;
}

static bool read_answer(int fd, uint16_t port, struct inodes *out)
{
    _Alignas(struct nlmsghdr) char bytes[32768];
    bool failed = false;
    for (;;) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0); /* a dump is made while it is read: there is no wait */
        if (n <= 0) {
            return false;
        }
        size_t left = (size_t)n;
        for (const struct nlmsghdr *h = (const void *)bytes; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            if (!take(h, port, out, &failed)) {
                return !failed;
            }
        }
    }
}

static bool find_inodes(uint16_t port, struct inodes *out)
{
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0) {
        return false;
    }
    bool found =
        ask(fd, AF_INET) && read_answer(fd, port, out) && ask(fd, AF_INET6) && read_answer(fd, port, out);
    close(fd);
    return found;
}

/* ------------------------------------------------------------------ who holds them */

static bool is_one_of(const struct inodes *inodes, const char *link)
{
    unsigned long inode;
    if (sscanf(link, "socket:[%lu]", &inode) != 1) {
        return false;
    }
    for (size_t i = 0; i < inodes->n; i++) {
        if (inodes->of[i] == inode) {
            return true;
        }
    }
    return false;
}

static enum listener look_at(pid_t pid, const struct inodes *inodes)
{
    char path[64], link[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *descriptors = opendir(path);
    if (!descriptors) {
        return errno == ENOENT ? LISTENER_STRANGER : LISTENER_UNKNOWN;
    }
    enum listener found = LISTENER_STRANGER;
    for (const struct dirent *one; found == LISTENER_STRANGER && (one = readdir(descriptors));) {
        ssize_t n = readlinkat(dirfd(descriptors), one->d_name, link, sizeof link - 1);
        if (n > 0) {
            link[n] = 0;
            found = is_one_of(inodes, link) ? LISTENER_OURS : found;
        }
    }
    closedir(descriptors);
    return found;
}

/* Parent and group of a process; false: it has gone. */
static bool find_family(pid_t pid, pid_t *parent, pid_t *group)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *stat = fopen(path, "re");
    if (!stat) {
        return false;
    }
    bool read = fgets(line, sizeof line, stat) != NULL;
    fclose(stat);
    const char *after = read ? strrchr(line, ')') : NULL; /* the name before it may hold anything */
    return after && sscanf(after, ") %*c %d %d", parent, group) == 2;
}

static bool belongs(pid_t pid, pid_t leader)
{
    pid_t parent, group;
    for (int i = 0; i < ANCESTORS_MAX && pid > 1 && find_family(pid, &parent, &group); i++) {
        if (group == leader || parent == leader) {
            return true;
        }
        pid = parent;
    }
    return false;
}

static enum listener look_at_others(pid_t leader, const struct inodes *inodes)
{
    enum listener result = LISTENER_STRANGER;
    DIR *processes = opendir("/proc");
    if (!processes) {
        return LISTENER_UNKNOWN;
    }
    for (const struct dirent *one; result != LISTENER_OURS && (one = readdir(processes));) {
        pid_t pid = isdigit((unsigned char)one->d_name[0]) ? (pid_t)atoi(one->d_name) : 0;
        if (pid > 0 && pid != leader && belongs(pid, leader)) {
            enum listener his = look_at(pid, inodes);
            result = his == LISTENER_STRANGER ? result : his;
        }
    }
    closedir(processes);
    return result;
}

enum listener listener_of(uint16_t port, pid_t group)
{
    struct inodes inodes = { 0 };
    if (!find_inodes(port, &inodes) || inodes.n == 0) {
        return LISTENER_UNKNOWN;
    }
    enum listener leader = look_at(group, &inodes);
    return leader == LISTENER_STRANGER ? look_at_others(group, &inodes) : leader;
}
