/*
 * config_texts.c - what an address, a name, a path or a token must look like.
 *
 * Owns     nothing.
 * Used by  config_options.c and config_members.c.
 * Uses     config.h (config_parse_address).
 * Thread   any; pure.
 */
#include "world/config_texts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>

#include "world/config.h"

enum {
    NAME_MAX_BYTES = 63,  /* of a replica's name; also REPLICA_NAME_MAX */
    NUMBER_MAX_BYTES = 19 /* what {n} may grow to */
};

/* ------------------------------------------------------------------ addresses */

static unsigned port_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET
               ? ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port)
               : ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
}

static bool is_wildcard(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
    }
    return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

const char *config_check_listen_address(const char *text, const char **hint)
{
    struct sockaddr_storage address;
    if (config_parse_address(text, &address) == 0) {
        *hint = "numbers only: \"0.0.0.0:5000\", \"127.0.0.1:5000\", \"[::]:5000\" or \":5000\"";
        return "is no address with a port";
    }
    return port_of(&address) == 0 ? "has port 0; a port is 1 to 65535" : NULL;
}

const char *config_check_listener(const char *text, const char **hint)
{
    struct sockaddr_storage address;
    bool proxy;
    if (config_parse_listener(text, &address, &proxy) == 0) {
        *hint =
            "numbers only: \"0.0.0.0:5000\", \"127.0.0.1:5000\", \"[::]:5000\" or \":5000\"; behind it \" proxy\" or nothing";
        return "is no address with a port";
    }
    return port_of(&address) == 0 ? "has port 0; a port is 1 to 65535" : NULL;
}

const char *config_check_member_address(const char *text, const char **hint)
{
    struct sockaddr_storage address;
    if (config_parse_address(text, &address) == 0) {
        *hint = "numbers only: \"10.0.0.7:8001\" or \"[fd00::7]:8001\"";
        return "is no address with a port";
    }
    if (is_wildcard(&address)) {
        *hint = "name the host too: \"127.0.0.1:8001\"";
        return "is no address to connect to";
    }
    return port_of(&address) == 0 ? "has port 0; a port is 1 to 65535" : NULL;
}

const char *config_check_dns_server(const char *text, const char **hint)
{
    return *text ? config_check_member_address(text, hint) : NULL;
}

const char *config_check_host(const char *text, const char **hint)
{
    struct in6_addr address;
    bool good = inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
    *hint = good ? NULL : "numbers only, without a port: \"127.0.0.1\" or \"::1\"";
    return good ? NULL : "is no address";
}

/* ------------------------------------------------------------------ names */

static bool are_name_characters(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr(" _-.@", text[i])) {
            return false;
        }
    }
    return true;
}

const char *config_check_replica_name(const char *text, const char **hint)
{
    size_t len = strlen(text);
    if (len == 0 || len > NAME_MAX_BYTES) {
        return "is no name: names have 1 to 63 characters";
    }
    if (!are_name_characters(text, len)) {
        *hint = "a name is made of letters, digits, space and _ - . @";
        return "has a character that names do not have";
    }
    return NULL;
}

const char *config_check_name_pattern(const char *text, const char **hint)
{
    const char *number = strstr(text, "{n}");
    if (!number) {
        *hint = "for example \"Server {n}\"";
        return "lacks the {n} that tells one replica from the other";
    }
    size_t before = (size_t)(number - text), after = strlen(number + 3);
    if (strstr(number + 3, "{n}")) {
        return "has {n} more than once";
    }
    if (!are_name_characters(text, before) || !are_name_characters(number + 3, after)) {
        *hint = "a name is made of letters, digits, space and _ - . @";
        return "has a character that names do not have";
    }
    return before + after + NUMBER_MAX_BYTES > NAME_MAX_BYTES
               ? "is too long: a name with its number has 63 characters"
               : NULL;
}

/* ------------------------------------------------------------------ what goes into a request head */

static bool is_visible(const char *text)
{
    for (; *text; text++) {
        if (*text <= ' ' || *text > '~') {
            return false;
        }
    }
    return true;
}

const char *config_check_url_path(const char *text, const char **hint)
{
    if (text[0] != '/') {
        *hint = "for example \"/heartbeat\"";
        return "does not begin with a /";
    }
    return is_visible(text) && !strchr(text, '#') ? NULL : "has a character that must be percent-encoded";
}

/* RFC 9110, 7.8: name ["/" version], each a token (5.6.2). */
const char *config_check_protocol(const char *text, const char **hint)
{
    size_t slashes = 0;
    *hint = "for example \"websocket\", or \"*\" for all";
    if (!text[0] || text[0] == '/' || text[strlen(text) - 1] == '/') {
        return "is no name of a protocol";
    }
    for (const char *p = text; *p; p++) {
        slashes += *p == '/';
        if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~/", *p)) {
            return "has a character that names of protocols do not have";
        }
    }
    return slashes > 1 ? "has more than one slash" : NULL;
}

const char *config_check_token(const char *text, const char **hint)
{
    (void)hint;
    return is_visible(text) ? NULL : "has a blank or a character that cannot stand in a header field";
}

/* ------------------------------------------------------------------ what a process is started with */

const char *config_check_setting(const char *text, const char **hint)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) {
        *hint = "for example \"LANG=C.UTF-8\"";
        return "is no setting of the form NAME=value";
    }
    return NULL;
}

static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 10;
}

enum { ENTRY_BYTES = 16384 }; /* of one user or group in the system's lists */

/* An entry that does not fit counts as there: whoever needs it will say more. */
static bool is_user(const char *name)
{
    char bytes[ENTRY_BYTES];
    struct passwd entry, *found = NULL;
    int error = getpwnam_r(name, &entry, bytes, sizeof bytes, &found);
    return found || error == ERANGE;
}

static bool is_group(const char *name)
{
    char bytes[ENTRY_BYTES];
    struct group entry, *found = NULL;
    int error = getgrnam_r(name, &entry, bytes, sizeof bytes, &found);
    return found || error == ERANGE;
}

const char *config_check_user(const char *text, const char **hint)
{
    if (!*text || is_number(text) || is_user(text)) {
        return NULL;
    }
    *hint = "getent passwd lists those there are";
    return "is no user of this machine";
}

const char *config_check_group(const char *text, const char **hint)
{
    if (!*text || is_number(text) || is_group(text)) {
        return NULL;
    }
    *hint = "getent group lists those there are";
    return "is no group of this machine";
}

/* ------------------------------------------------------------------ a container engine */

const char *config_check_engine(const char *text, const char **hint)
{
    *hint = "for example \"unix:///var/run/docker.sock\" or \"tcp://10.0.0.7:2375\"";
    if (strncmp(text, "unix://", 7) == 0) {
        return text[7] == '/' ? NULL : "needs an absolute path after unix://";
    }
    const char *port = strrchr(text, ':');
    if (strncmp(text, "tcp://", 6) != 0 || !is_visible(text) || strchr(text + 6, '/')) {
        return "is no address of an engine";
    }
    size_t digits = strspn(port + 1, "0123456789");
    bool good = port > text + 6 && digits > 0 && digits <= 5 && port[1 + digits] == '\0';
    return good ? NULL : "has no port";
}

const char *config_check_instance(const char *text, const char **hint)
{
    bool good = isalnum((unsigned char)*text) || !*text;
    for (const char *c = text; *c; c++) {
        good = good && (isalnum((unsigned char)*c) || strchr("_.-", *c));
    }
    *hint = good ? NULL : "it begins with a letter or digit; then letters, digits and _ . -";
    return good ? NULL : "cannot be the name of an instance";
}

const char *config_check_docker_network(const char *text, const char **hint)
{
    if (strcmp(text, "host") == 0 || strcmp(text, "none") == 0 || strncmp(text, "container:", 10) == 0) {
        *hint = "make one: docker network create ringmaster";
        return "gives replicas no address of their own";
    }
    return NULL;
}
