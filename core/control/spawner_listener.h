/*
 * spawner_listener.h - who listens on a port of this machine?
 *
 * Owns     nothing.
 * Used by  spawner_process.c, to tell a child from a program that took its port.
 * Uses     Linux: sock_diag(7) for listening sockets, /proc for who holds them.
 * Thread   control. A look takes well under a millisecond for a child that listens itself; /proc is read whole only when
 *          it does not (a child of the child may).
 */
#ifndef CONTROL_SPAWNER_LISTENER_H
#define CONTROL_SPAWNER_LISTENER_H

#include <stdint.h>
#include <sys/types.h>

enum listener {
    LISTENER_OURS,     /* a process of the group holds a listening socket of that port */
    LISTENER_STRANGER, /* there is one, and none of the group's processes holds it */
    LISTENER_UNKNOWN,  /* nobody listens, or this system does not let us look */
};

/* Does a process of the group, or one that descends from its leader, listen on the TCP port? */
enum listener listener_of(uint16_t port, pid_t group);

#endif
