/*
 * options.c - reads the switches of the demo replica.
 *
 * Owns     the usage text and the table of switches.
 * Used by  main.c, once.
 * Uses     getopt_long.
 * Thread   the only one there is.
 *
 * A value that is not a whole number within its bounds is refused with the switch's name: a replica that
 * quietly runs with --delay-ms 0 because of a typing error would make a test pass for the wrong reason.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef RM_VERSION
#define RM_VERSION "unversioned"
#endif

static const char usage_text[] =
    "usage: backend [switches]\n"
    "A demo replica: GET /home, /heartbeat and /request?request_id=N.\n"
    "\n"
    "  --id NAME            its name in the answers (environment SERVER_ID; default 1)\n"
    "  --port N             port, 0 for any free one (environment PORT; default 5000)\n"
    "  --listen ADDRESS     address to listen on (environment ADDRESS; default 0.0.0.0)\n"
    "\n"
    "to see how a balancer bears it:\n"
    "  --delay-ms N         wait before each answer (heartbeats aside)\n"
    "  --fail-rate P        answer a share of 0 to 1 of the requests with 500 (heartbeats aside)\n"
    "  --hang               accept, but never answer, heartbeats neither\n"
    "  --hang-after-ms N    begin to hang N ms after the start\n"
    "  --body-bytes N       answer /home with a body of N bytes\n"
    "  --chunked            send that body chunked\n"
    "  --exit-after N       exit when N requests have been answered (heartbeats aside)\n"
    "  --no-drain           stop at once on SIGTERM or SIGINT, whatever runs\n"
    "  --ignore-term        do not stop on SIGTERM or SIGINT\n"
    "\n"
    "for tests:\n"
    "  --test-routes        adds /echo, /sink and /bytes?n=N[&chunked=1][&close=1]\n"
    "  --max-body N         largest accepted request body in bytes (default 1073741824; held in memory)\n"
    "\n"
    "  --log-heartbeats     print a line for each heartbeat too\n"
    "  --quiet              print no line for a request\n"
    "  --version, --help\n";

enum option_number {
    OPTION_ID = 256,
    OPTION_PORT,
    OPTION_LISTEN,
    OPTION_DELAY,
    OPTION_FAIL,
    OPTION_HANG,
    OPTION_HANG_AFTER,
    OPTION_BODY,
    OPTION_CHUNKED,
    OPTION_EXIT,
    OPTION_NO_DRAIN,
    OPTION_IGNORE_TERM,
    OPTION_TEST_ROUTES,
    OPTION_MAX_BODY,
    OPTION_LOG_HEARTBEATS,
    OPTION_QUIET,
    OPTION_VERSION,
    OPTION_HELP
};

static const struct option switches[] = {
    { "id", required_argument, NULL, OPTION_ID },
    { "port", required_argument, NULL, OPTION_PORT },
    { "listen", required_argument, NULL, OPTION_LISTEN },
    { "delay-ms", required_argument, NULL, OPTION_DELAY },
    { "fail-rate", required_argument, NULL, OPTION_FAIL },
    { "hang", no_argument, NULL, OPTION_HANG },
    { "hang-after-ms", required_argument, NULL, OPTION_HANG_AFTER },
    { "body-bytes", required_argument, NULL, OPTION_BODY },
    { "chunked", no_argument, NULL, OPTION_CHUNKED },
    { "exit-after", required_argument, NULL, OPTION_EXIT },
    { "no-drain", no_argument, NULL, OPTION_NO_DRAIN },
    { "ignore-term", no_argument, NULL, OPTION_IGNORE_TERM },
    { "test-routes", no_argument, NULL, OPTION_TEST_ROUTES },
    { "max-body", required_argument, NULL, OPTION_MAX_BODY },
    { "log-heartbeats", no_argument, NULL, OPTION_LOG_HEARTBEATS },
    { "quiet", no_argument, NULL, OPTION_QUIET },
    { "version", no_argument, NULL, OPTION_VERSION },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

static const uint64_t day_ms = 24ull * 60 * 60 * 1000;

/* Reads a whole number of 0 to max into *number; says which of the named values is wrong otherwise. */
static bool read_number(const char *name, const char *text, uint64_t max, uint64_t *number)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > max) {
        fprintf(stderr, "backend: %s is \"%s\"; it can be a whole number from 0 to %llu\n", name, text,
                (unsigned long long)max);
        return false;
    }
    *number = value;
    return true;
}

static bool read_share(const char *text, double *share)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= 0.0 && value <= 1.0)) {
        fprintf(stderr, "backend: --fail-rate is \"%s\"; it can be a number from 0 to 1\n", text);
        return false;
    }
    *share = value;
    return true;
}

static bool read_port(const char *name, const char *text, uint16_t *port)
{
    uint64_t number = 0;
    if (!read_number(name, text, UINT16_MAX, &number))
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool read_milliseconds(const char *name, const char *text, uint32_t *ms)
{
    uint64_t number = 0;
    if (!read_number(name, text, day_ms, &number))
        return false;
    *ms = (uint32_t)number;
    return true;
}

static bool read_environment(struct options *options)
{
    const char *id = getenv("SERVER_ID");
    const char *port = getenv("PORT");
    const char *address = getenv("ADDRESS");
    if (id != NULL && *id != '\0')
        options->id = id;
    if (address != NULL && *address != '\0')
        options->listen = address;
    return port == NULL || *port == '\0' || read_port("PORT", port, &options->port);
}

/* Takes one switch in. Returns false when its value is refused; the sentence is on stderr then. */
static bool take_switch(struct options *options, int number, const char *value)
{
    switch (number) {
    case OPTION_ID: options->id = value; return true;
    case OPTION_PORT: return read_port("--port", value, &options->port);
    case OPTION_LISTEN: options->listen = value; return true;
    case OPTION_DELAY: return read_milliseconds("--delay-ms", value, &options->delay_ms);
    case OPTION_FAIL: return read_share(value, &options->fail_rate);
    case OPTION_HANG: options->hang = true; return true;
    case OPTION_HANG_AFTER: return read_milliseconds("--hang-after-ms", value, &options->hang_after_ms);
    case OPTION_BODY:
        options->has_body = true;
        return read_number("--body-bytes", value, INT64_MAX, &options->body_bytes);
    case OPTION_CHUNKED: options->chunked = true; return true;
    case OPTION_EXIT: return read_number("--exit-after", value, INT64_MAX, &options->exit_after);
    case OPTION_NO_DRAIN: options->no_drain = true; return true;
    case OPTION_IGNORE_TERM: options->ignore_term = true; return true;
    case OPTION_TEST_ROUTES: options->test_routes = true; return true;
    case OPTION_MAX_BODY: return read_number("--max-body", value, INT64_MAX, &options->max_body);
    case OPTION_LOG_HEARTBEATS: options->log_heartbeats = true; return true;
    case OPTION_QUIET: options->quiet = true; return true;
    default: return false;
    }
}

int options_read(struct options *options, int argc, char **argv)
{
    *options = (struct options){ .id = "1", .listen = "0.0.0.0", .port = 5000, .max_body = 1ull << 30 };
    if (!read_environment(options))
        return 2;
    for (;;) {
        int number = getopt_long(argc, argv, "", switches, NULL);
        if (number < 0)
            break;
        if (number == OPTION_HELP) {
            fputs(usage_text, stdout);
            return 0;
        }
        if (number == OPTION_VERSION) {
            puts("backend " RM_VERSION);
            return 0;
        }
        if (number == '?') { /* getopt_long has named the switch */
            fputs(usage_text, stderr);
            return 2;
        }
        if (!take_switch(options, number, optarg))
            return 2;
    }
    if (optind < argc) {
        fprintf(stderr, "backend: \"%s\" is not a switch\n%s", argv[optind], usage_text);
        return 2;
    }
    return -1;
}
