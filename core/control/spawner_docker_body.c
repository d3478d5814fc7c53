/*
 * spawner_docker_body.c - the JSON that goes to the engine and comes from it.
 *
 * Owns     nothing; pure.
 * Used by  spawner_docker*.c.
 * Uses     jansson, config.h.
 * Thread   any.
 */
#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/spawner_docker.h"
#include "world/config.h"

#define LABEL "ringmaster."

/* ------------------------------------------------------------------ names */

static bool is_plain(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '-' || c == '_';
}

/* A host name neither begins nor ends with a dash, so a name that does gets an s. */
char *docker_body_alias(const char *name)
{
    char *out = mem_format("%s%s", isalnum((unsigned char)*name) ? "" : "s", name);
    for (char *c = out; *c; c++) {
        *c = is_plain(*c) ? *c : '-';
    }
    return out;
}

char *docker_body_container(const char *instance, const char *name)
{
    char *alias = docker_body_alias(name), *out = mem_format("%s-%s", instance, alias);
    free(alias);
    return out;
}

/* ------------------------------------------------------------------ what a container is told */

static void put(json_t *out, const char *name, json_t *value)
{
    json_object_set_new(out, name, value);
}

static json_t *text_of(const char *text)
{
    json_t *out = json_string(text);
    return out ? out : json_string("?"); /* no UTF-8: only a configuration can bring that */
}

static void put_number_label(json_t *labels, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    put(labels, name, json_string(text));
}

static json_t *make_labels(const char *instance, const struct spawned *one)
{
    json_t *out = json_object();
    put(out, LABEL "instance", json_string(instance));
    put(out, LABEL "pool", json_string("default"));
    put(out, LABEL "name", text_of(one->name));
    put(out, LABEL "ring_name", text_of(one->ring_name));
    put_number_label(out, LABEL "id", one->place.id);
    put_number_label(out, LABEL "position", one->place.position);
    put_number_label(out, LABEL "ordinal", one->place.ordinal);
    put_number_label(out, LABEL "weight", one->place.weight);
    return out;
}

static json_t *make_environment(const struct config *config, const struct spawned *one)
{
    const struct config_list *more = &config->replicas.docker.environment;
    json_t *out = json_array();
    char *id = mem_format("SERVER_ID=%s", one->server_id);
    char *port = mem_format("PORT=%u", config->replicas.docker.port);
    json_array_append_new(out, text_of(id)); /* of two with one name the first counts */
    json_array_append_new(out, json_string(port));
    json_array_append_new(out, json_string("ADDRESS=0.0.0.0"));
    for (size_t i = 0; i < more->count; i++) {
        json_array_append_new(out, text_of(more->items[i]));
    }
    free(id);
    free(port);
    return out;
}

static json_t *make_host(const struct config *config, const struct spawned *one, const char *port)
{
    json_t *out = json_object();
    const char *network = config->replicas.docker.network;
    put(out, "NetworkMode", text_of(*network ? network : "default"));
    put(out, "RestartPolicy",
        json_pack("{s:s}", "Name", "no")); /* who comes back is the supervisor's to decide */
    if (config->replicas.docker.memory_mib) {
        json_int_t bytes = (json_int_t)config->replicas.docker.memory_mib << 20;
        put(out, "Memory", json_integer(bytes));
        put(out, "MemorySwap", json_integer(bytes)); /* with swap: so none of it */
    }
    if (config->replicas.docker.cpus) {
        put(out, "NanoCpus", json_integer((json_int_t)config->replicas.docker.cpus * 1000000));
    }
    if (one->port) {
        char published[8];
        snprintf(published, sizeof published, "%u", one->port);
        put(out, "PortBindings", json_pack("{s:[{s:s}]}", port, "HostPort", published));
    }
    return out;
}

json_t *docker_body_create(const struct config *config, const char *instance, const struct spawned *one)
{
    const struct config_list *command = &config->replicas.docker.command;
    const char *network = config->replicas.docker.network;
    char *alias = docker_body_alias(one->name), *port = mem_format("%u/tcp", config->replicas.docker.port);
    json_t *out = json_object();
    put(out, "Image", text_of(config->replicas.docker.image));
    put(out, "Hostname", json_string(alias));
    put(out, "Env", make_environment(config, one));
    put(out, "Labels", make_labels(instance, one));
    put(out, "ExposedPorts", json_pack("{s:{}}", port));
    if (command->count) {
        json_t *words = json_array();
        for (size_t i = 0; i < command->count; i++) {
            json_array_append_new(words, text_of(command->items[i]));
        }
        put(out, "Cmd", words);
    }
    put(out, "HostConfig", make_host(config, one, port));
    if (*network) { /* the default bridge has no aliases */
        put(out, "NetworkingConfig",
            json_pack("{s:{s:{s:[s]}}}", "EndpointsConfig", network, "Aliases", alias));
    }
    free(alias);
    free(port);
    return out;
}

/* ------------------------------------------------------------------ what the engine lists */

static const char *label_of(const json_t *labels, const char *name)
{
    return json_string_value(json_object_get(labels, name));
}

static uint64_t number_label(const json_t *labels, const char *name, uint64_t otherwise)
{
    const char *text = label_of(labels, name);
    char *end = NULL;
    uint64_t value = text ? strtoull(text, &end, 10) : 0;
    return text && *text && !*end ? value : otherwise;
}

static uint16_t published_port(const json_t *ports)
{
    for (size_t i = 0; i < json_array_size(ports); i++) {
        json_int_t port = json_integer_value(json_object_get(json_array_get(ports, i), "PublicPort"));
        if (port > 0 && port < 65536) {
            return (uint16_t)port;
        }
    }
    return 0;
}

bool docker_body_entry(const json_t *item, struct docker_entry *out)
{
    const json_t *labels = json_object_get(item, "Labels");
    const char *container = json_string_value(json_array_get(json_object_get(item, "Names"), 0));
    *out = (struct docker_entry){
        .id = json_string_value(json_object_get(item, "Id")),
        .container = container ? container + (*container == '/') : "",
        .status = json_string_value(json_object_get(item, "Status")),
        .state = json_string_value(json_object_get(item, "State")),
        .name = label_of(labels, LABEL "name"),
        .ring_name = label_of(labels, LABEL "ring_name"),
        .port = published_port(json_object_get(item, "Ports")),
    };
    if (!out->id || !out->state || strlen(out->id) >= DOCKER_ID_SIZE) {
        return false;
    }
    out->status = out->status ? out->status : out->state;
    out->is_alive = strcmp(out->state, "running") == 0 || strcmp(out->state, "paused") == 0;
    uint64_t weight = number_label(labels, LABEL "weight", 1);
    uint64_t ordinal = number_label(labels, LABEL "ordinal", 0);
    out->place = (struct spawner_place){
        .ring_name = out->ring_name,
        .id = number_label(labels, LABEL "id", 0),
        .position = number_label(labels, LABEL "position", 0),
        .ordinal = ordinal <= UINT32_MAX ? (uint32_t)ordinal : 0,
        .weight = weight >= 1 && weight <= 65535 ? (uint32_t)weight : 1,
    };
    return true;
}

/* ------------------------------------------------------------------ what the engine knows of one */

bool docker_body_address(const json_t *inspect, const char *network, uint16_t port,
                         struct spawner_started *out)
{
    const json_t *networks = json_object_get(json_object_get(inspect, "NetworkSettings"), "Networks");
    const json_t *endpoint = json_object_get(networks, *network ? network : "bridge");
    const char *four = json_string_value(json_object_get(endpoint, "IPAddress"));
    const char *six = json_string_value(json_object_get(endpoint, "GlobalIPv6Address"));
    char text[128];
    if (four && *four) {
        snprintf(text, sizeof text, "%s:%u", four, port);
    } else if (six && *six) {
        snprintf(text, sizeof text, "[%s]:%u", six, port);
    } else {
        return false;
    }
    out->address_len = config_parse_address(text, &out->address);
    out->pid = 0; /* one of the engine's machine, which need not be ours */
    return out->address_len > 0;
}

/* A shell's custom, and the engine's: 128 and the signal. */
void docker_body_exit(long code, bool is_starved, char *why, size_t why_size)
{
    const char *signal = code > 128 && code < 128 + NSIG ? sigabbrev_np((int)code - 128) : NULL;
    const char *starved = is_starved ? ": out of memory" : "";
    if (signal) {
        snprintf(why, why_size, "killed by SIG%s%s", signal, starved);
    } else {
        snprintf(why, why_size, "exited with status %ld%s", code, starved);
    }
}

void docker_body_end(const json_t *inspect, char *why, size_t why_size)
{
    const json_t *state = json_object_get(inspect, "State");
    const char *error = json_string_value(json_object_get(state, "Error"));
    if (error && *error) {
        snprintf(why, why_size, "%s", error);
        return;
    }
    docker_body_exit((long)json_integer_value(json_object_get(state, "ExitCode")),
                     json_is_true(json_object_get(state, "OOMKilled")), why, why_size);
}

size_t docker_body_unframe(char *text, size_t len)
{
    enum { HEAD = 8 };
    size_t from = 0, to = 0;
    while (from + HEAD <= len && (unsigned char)text[from] <= 2 && text[from + 1] == 0) {
        const unsigned char *size = (const unsigned char *)text + from + 4;
        size_t part = (size_t)size[0] << 24 | (size_t)size[1] << 16 | (size_t)size[2] << 8 | size[3];
        from += HEAD;
        part = part < len - from ? part : len - from;
        memmove(text + to, text + from, part);
        to += part;
        from += part;
    }
    return from > 0 ? to : len; /* with a terminal there are no frames */
}
