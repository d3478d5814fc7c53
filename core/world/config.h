/*
 * config.h - lb.conf, read and checked.
 *
 * Owns     the parsed values; a struct config is never changed once made.
 * Used by  main and control's reload (load), everyone else (read).
 * Uses     libconfig, through config_read.c alone; the option table of config_options.c.
 * Thread   load: any. Reading: any. retain and release: control thread.
 *
 * One table (config_options.h) holds every option: name, type, bounds, default, unit, reloadable or not, one
 * line of help. --dump, docs/configuration.md and the checks all come from it.
 */
#ifndef WORLD_CONFIG_H
#define WORLD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/log.h"
#include "base/problem.h"

struct config_list { /* of texts */
    char **items;
    struct place *places;
    size_t count;
};

/* One option of a plugin, as written: the plugin's own table says what it must be. */
enum config_value_type { CONFIG_INT, CONFIG_FLOAT, CONFIG_BOOL, CONFIG_TEXT };
struct config_value {
    char *name;
    enum config_value_type type;
    int64_t i; /* CONFIG_INT, CONFIG_BOOL */
    double f;  /* CONFIG_FLOAT; also set for CONFIG_INT */
    char *s;   /* CONFIG_TEXT */
    struct place place;
};
struct config_plugin {
    char *name; /* "scheduler_ring", or a path with a slash, made absolute */
    struct place place;
    struct config_value *options;
    size_t n_options;
    struct place options_place;
};

enum config_key_source { KEY_QUERY, KEY_HEADER, KEY_COOKIE, KEY_PATH, KEY_URI, KEY_CLIENT_IP, KEY_RANDOM };
struct config_key {
    enum config_key_source source;
    char *name; /* of query, header (lower case), cookie; else NULL */
    size_t name_len;
};

/* A candidate of strategy.shadow, as written: a part without a name (NULL) is that of the strategy in force; without
 * options of its own it then has those too (options_place.line is 0). config_shadow.h puts them together. */
struct config_shadow {
    char *name;
    struct place place;
    struct config_plugin scheduler, hash, probe;
};

enum config_access_format { ACCESS_JSON, ACCESS_COMBINED };

enum config_driver { DRIVER_PROCESS, DRIVER_STATIC, DRIVER_DOCKER, DRIVER_DNS, DRIVER_SWARM };
enum config_on_exit { ON_EXIT_STOP, ON_EXIT_LEAVE };
enum config_output { OUTPUT_LOG, OUTPUT_INHERIT, OUTPUT_DISCARD };
enum config_move { MOVE_WHEN_DEAD, MOVE_WHEN_UNREADY };
enum config_proxy_protocol { PROXY_PROTOCOL_OFF, PROXY_PROTOCOL_V2 };
enum config_replacement { REPLACEMENT_EMERGENCY, REPLACEMENT_SAME };

struct config_network { /* of control_from and the like: an IPv4 network is kept v4-mapped */
    uint8_t address[16];
    unsigned bits; /* 0 .. 128 */
};

struct config_member { /* static.members, and static.addresses with weight 1 and no name */
    char *address;     /* "127.0.0.1:8001", "[::1]:8001" */
    char *name;        /* NULL: "Server N" by position */
    uint32_t weight;
    struct place place;
};

struct config {
    char *path;      /* as given */
    char *directory; /* absolute; relative paths start here */

    struct config_list listen; /* config_parse_listener reads an entry */
    char *admin;               /* "": no admin port */
    uint32_t workers;          /* as configured; 0: one a core */
    char *plugin_dir;          /* absolute, never empty once loaded */
    struct config_network *control_from;
    size_t n_control_from;
    char *control_token;               /* "": none */
    struct config_network *proxy_from; /* who may send a PROXY header, where listen asks for one */
    size_t n_proxy_from;
    struct config_network *trust_forwarded; /* whose X-Forwarded-* fields are believed */
    size_t n_trust_forwarded;
    struct config_list upgrade; /* protocols that Upgrade may switch to; "*" */

    struct {
        struct config_plugin scheduler, hash, probe;
        struct config_key *keys;
        size_t n_keys;
        uint32_t bounded_load; /* in thousandths; 0: off */
        struct config_shadow *shadows;
        size_t n_shadows;
        uint32_t shadow_sample;  /* one of so many requests; 0: none */
        uint32_t vet_timeout_ms; /* of processor time */
        uint32_t vet_memory_mib;
    } strategy;

    struct {
        enum config_driver driver;
        uint32_t count, max, spares;
        char *name; /* "Server {n}" */
        enum config_replacement replacement;
        uint32_t add_timeout_ms, stop_timeout_ms, drain_timeout_ms;
        uint32_t backoff_min_ms, backoff_max_ms, backoff_reset_ms;
        char *state_file; /* "": none; absolute otherwise */
        uint32_t slow_start_ms;
        struct {                      /* autoscaling */
            uint32_t target_inflight; /* a replica, in thousandths; 0: off */
            uint32_t min, max, cooldown_ms;
        } scale;
        uint32_t *weights; /* of "Server 1", "Server 2" …; those beyond have 1 */
        size_t n_weights;
        struct {
            struct config_list command; /* items[0] is resolved: absolute, or found beside the program */
            uint16_t base_port;
            char *address;                  /* "127.0.0.1": where the child is told to be reached */
            struct config_list environment; /* "NAME=value" */
            char *directory;                /* "": the balancer's; absolute otherwise */
            char *user, *group;             /* "": the balancer's; a name or a number */
            enum config_output output;
            uint32_t output_lines;                                             /* a second and replica */
            uint32_t open_files, memory_mib, processes, cpu_seconds, file_mib; /* 0: as the balancer may */
        } process;
        struct config_member *members;
        size_t n_members; /* driver static */
        struct {
            char *engine;   /* "unix:///var/run/docker.sock", "tcp://10.0.0.7:2375" */
            char *instance; /* whose containers; "": the compose project, else made from host and port */
            char *image;
            struct config_list command;     /* empty: the image's own */
            struct config_list environment; /* "NAME=value" */
            char *network;                  /* "": the engine's default bridge */
            uint16_t port;                  /* where a replica listens in its container */
            uint16_t publish_base_port;     /* on the engine's machine; 0: not published */
            uint32_t memory_mib;            /* 0: any */
            uint32_t cpus;                  /* in thousandths; 0: any */
            enum config_on_exit on_exit;
        } docker;
        struct {
            char *name;   /* "": none */
            char *server; /* "10.0.0.2:53"; "": those of /etc/resolv.conf */
            uint16_t port;
            uint32_t min_ttl_ms, max_ttl_ms, timeout_ms;
        } dns;
        struct {
            char *engine;                   /* as docker.engine; of a manager, or of a proxy to one */
            char *service;                  /* its name */
            char *image;                    /* "": the service is there already */
            struct config_list command;     /* empty: the image's own */
            struct config_list environment; /* "NAME=value" */
            char *network;                  /* whose addresses are asked */
            uint16_t port;                  /* where a replica listens */
            uint32_t memory_mib;            /* 0: any */
            uint32_t cpus;                  /* in thousandths; 0: any */
            enum config_on_exit on_exit;
        } swarm;
    } replicas;

    struct {
        char *path;
        uint32_t interval_ms, timeout_ms, start_interval_ms;
        uint32_t unready_after, dead_after;
        uint32_t start_timeout_ms; /* STARTING for longer: stop and start again */
    } health;

    struct { /* passive health; 0 is off */
        uint32_t failures, errors;
        uint32_t failure_percent;
        uint32_t latency_factor; /* in thousandths */
        uint32_t min_requests, window_ms;
        uint32_t eject_ms, eject_max_ms;
        uint32_t max_ejected_percent;
        uint32_t trials;
    } outlier;

    struct { /* all in ms */
        uint32_t head, body, connect, reply, relay, tunnel, idle, linger, drain;
    } timeouts;

    struct {
        uint32_t buffer;                  /* bytes of one I/O buffer; not reloadable */
        uint32_t head;                    /* bytes of a request or reply head; at most buffer */
        uint32_t target;                  /* bytes of a request target: 414 above */
        uint32_t headers;                 /* fields in a head; not reloadable */
        uint64_t body;                    /* bytes of a request body, 0: any: 413 above */
        uint32_t control_body;            /* bytes of a control route's body */
        uint32_t replay;                  /* bytes of a request body kept for a retry */
        uint32_t turn_bytes;              /* bytes one relay moves in one turn of the loop */
        uint64_t splice_min;              /* bytes from which on a body is spliced; 0: never */
        uint32_t pipes;                   /* open at once a worker, for splicing */
        uint32_t connections;             /* clients at once, all workers together: 503 beyond */
        uint32_t connections_per_client;  /* of one address; 0: any */
        uint32_t rate, burst;             /* requests a second of one address; 0: any */
        uint32_t rate_total, burst_total; /* of all of them; 0: any */
        uint32_t addresses;               /* clients that are told apart; not reloadable */
        uint32_t memory_mib;              /* of requests under way, all workers together: 503 beyond */
        uint32_t unsent;                  /* bytes in a client's socket that are not sent yet; 0: any */
        uint32_t min_rate, min_rate_ms;   /* bytes a second of a client that is waited for, over so long */
        uint32_t requests_per_connection; /* 0: any */
        uint32_t history;                 /* request ids kept a replica */
    } limits;

    struct {
        uint32_t attempts;       /* tries of one request, the first one included */
        uint32_t budget_percent; /* retries after time-outs, of requests in flight … */
        uint32_t budget_min;     /* … but at least so many at once */
        enum config_move move;   /* when requests stop waiting for a replica that answers no heartbeats */
    } retry;

    struct {
        uint32_t idle;         /* idle sockets kept a replica and worker */
        uint32_t idle_ms;      /* for how long */
        uint32_t safe_idle_ms; /* a request that must not be repeated takes none idle for longer */
        enum config_proxy_protocol proxy_protocol; /* what a connection to a replica begins with */
    } upstream;

    struct {
        char *file; /* "": standard error; absolute otherwise */
        enum log_level level;
        struct {
            char *path; /* "": no access log; absolute otherwise */
            enum config_access_format format;
            uint32_t buffer_kib; /* of a block of lines */
            uint32_t flush_ms;   /* a line waits no longer for its block to fill */
            uint32_t queue_kib;  /* a worker's blocks, those that wait for the disk included */
        } access;
    } log;

    unsigned refs;
    char **files; /* every file that was read, ends with NULL: places point into these names */
};

/* Reads path and checks everything. Returns a configuration with one reference when problems stayed empty,
 * else NULL: a syntax error stands alone, semantic errors come all together. */
struct config *config_load(const char *path, struct problems *problems);

/* The same, but semantic errors do not keep the configuration back: what was refused has its default. NULL
 * only when the file cannot be read or has a syntax error. For a caller that wants the plugins' problems
 * (strategy_make) in the same list; such a configuration must never run when problems were added. */
struct config *config_load_partial(const char *path, struct problems *problems);

/* Puts the problems from number `first` on into the order of the files that c was read from, then of their
 * places. */
void config_sort_problems(const struct config *c, struct problems *problems, size_t first);

void config_retain(struct config *c);
void config_release(struct config *c);

/* Effective values as an lb.conf, defaults included. */
void config_dump(const struct config *c, FILE *out);

/* The reference of all options as Markdown (docs/configuration.md). */
void config_print_reference(FILE *out);

/* Dotted names of the options that differ ("strategy.hash", "health.interval_ms"), sorted as in the table,
 * ending with NULL; free each and the array with config_names_free. restart receives those among them that
 * only a restart applies. */
char **config_diff(const struct config *a, const struct config *b, char ***restart);
void config_names_free(char **names);

/* A copy of `next` in which every option that needs a restart has the value of `running` (what a reload may
 * run). Returns it with one reference. */
struct config *config_merge_running(const struct config *running, const struct config *next);

/* True when the address (v4 or v6 socket address) is inside control_from. */
struct sockaddr;
bool config_allows_control(const struct config *c, const struct sockaddr *peer);

/* The same for any list of networks. */
bool config_networks_hold(const struct config_network *networks, size_t n, const struct sockaddr *peer);

/* Splits "host:port", "[v6]:port", ":port" or "port" into a socket address. Numeric only. Returns its length,
 * or 0. */
struct sockaddr_storage;
unsigned config_parse_address(const char *text, struct sockaddr_storage *out);

/* The same for an entry of listen, which may end with " proxy": connections there begin with a PROXY header. */
unsigned config_parse_listener(const char *text, struct sockaddr_storage *out, bool *proxy);

#endif
