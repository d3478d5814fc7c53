/*
 * options.h - what the demo replica was told on its command line and in its environment.
 *
 * Owns     the switches: their names, bounds and defaults.
 * Used by  main.c, which reads them once; answer.c and routes.c look at them.
 * Thread   filled before the loop starts, read-only afterwards.
 */
#ifndef BACKEND_OPTIONS_H
#define BACKEND_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *id;         /* what it calls itself: --id, else SERVER_ID, else "1" */
    const char *listen;     /* --listen, else ADDRESS, else 0.0.0.0: to be reached inside a container */
    uint16_t port;          /* --port, else PORT, else 5000; 0 takes a free one and prints it */
    uint32_t delay_ms;      /* wait before each answer but a heartbeat's */
    double fail_rate;       /* 0 to 1: share of the requests, heartbeats aside, that are answered 500 */
    bool hang;              /* accept, read, never answer: heartbeats neither */
    uint32_t hang_after_ms; /* start to hang so long after the start; 0: never */
    uint64_t body_bytes;    /* size of the body of /home when has_body */
    bool has_body;          /* --body-bytes was given */
    bool chunked;           /* send that body with Transfer-Encoding: chunked */
    uint64_t exit_after;    /* leave when so many requests (heartbeats aside) have been answered; 0: never */
    uint64_t max_body; /* bytes of a request's body that are accepted; evhttp holds it in memory as a whole */
    bool test_routes;  /* /echo, /bytes and /sink exist */
    bool no_drain;     /* SIGTERM and SIGINT end it at once, whatever runs: as most programs do */
    bool ignore_term;  /* SIGTERM and SIGINT do nothing, so that a supervisor has to kill harder */
    bool log_heartbeats; /* print a line for a heartbeat too */
    bool quiet;          /* print no line for any request */
};

/* Fills *options from the environment and the command line. Returns -1 when the program should go on,
 * otherwise the exit code: 0 after --help, 2 after a switch that does not exist or a value out of bounds,
 * with a sentence on stderr. */
int options_read(struct options *options, int argc, char **argv);

#endif
