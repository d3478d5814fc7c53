/*
 * spawner_swarm_body.c - the JSON that goes to a swarm's manager and comes from it.
 *
 * Owns     nothing; pure.
 * Used by  spawner_swarm*.c.
 * Uses     jansson, config.h, engine.h to escape.
 * Thread   any.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/engine.h"
#include "control/spawner_swarm.h"
#include "world/config.h"

/* ------------------------------------------------------------------ what a service is told */

static void put(json_t *out, const char *name, json_t *value)
{
    json_object_set_new(out, name, value);
}

static json_t *text_of(const char *text)
{
    json_t *out = json_string(text);
    return out ? out : json_string("?"); /* no UTF-8: only a configuration can bring that */
}

static json_t *texts_of(const struct config_list *texts)
{
    json_t *out = json_array();
    for (size_t i = 0; i < texts->count; i++) {
        json_array_append_new(out, text_of(texts->items[i]));
    }
    return out;
}

/* Swarm fills in the name and the slot, so that a replica calls itself what we call it. */
static json_t *make_container(const struct config *config)
{
    const char *name = "{{.Service.Name}}.{{.Task.Slot}}";
    json_t *out = json_object(), *more = texts_of(&config->replicas.swarm.environment), *env = json_array();
    char *id = mem_format("SERVER_ID=%s", name), *port = mem_format("PORT=%u", config->replicas.swarm.port);
    json_array_append_new(env, json_string(id));
    json_array_append_new(env, json_string(port));
    json_array_append_new(env, json_string("ADDRESS=0.0.0.0"));
    json_array_extend(env, more);
    put(out, "Image", text_of(config->replicas.swarm.image));
    put(out, "Hostname", json_string(name));
    put(out, "Env", env);
    put(out, "StopGracePeriod", json_integer((json_int_t)config->replicas.stop_timeout_ms * 1000000));
    if (config->replicas.swarm.command.count) {
        put(out, "Args", texts_of(&config->replicas.swarm.command));
    }
    json_decref(more);
    free(id);
    free(port);
    return out;
}

json_t *swarm_body_create(const struct config *config)
{
    json_t *task = json_object(), *limits = json_object();
    if (config->replicas.swarm.memory_mib) {
        put(limits, "MemoryBytes", json_integer((json_int_t)config->replicas.swarm.memory_mib << 20));
    }
    if (config->replicas.swarm.cpus) {
        put(limits, "NanoCPUs", json_integer((json_int_t)config->replicas.swarm.cpus * 1000000));
    }
    put(task, "ContainerSpec", make_container(config));
    put(task, "Networks", json_pack("[{s:o}]", "Target", text_of(config->replicas.swarm.network)));
    put(task, "RestartPolicy", json_pack("{s:s, s:i}", "Condition", "any", "Delay", 0));
    put(task, "Resources", json_pack("{s:o}", "Limits", limits));
    return json_pack("{s:o, s:{s:s}, s:o, s:{s:{s:I}}, s:{s:s}}", "Name",
                     text_of(config->replicas.swarm.service), "Labels", "ringmaster.pool", "default",
                     "TaskTemplate", task, "Mode", "Replicated", "Replicas",
                     (json_int_t)config->replicas.count, "EndpointSpec", "Mode", "dnsrr");
}

/* ------------------------------------------------------------------ questions */

static char *make_path(const char *path, json_t *filter)
{
    char *filters = engine_escape_filters(filter), *out = mem_format("%s?filters=%s", path, filters);
    free(filters);
    return out;
}

/* Those that are wanted: old ones may be five times as many. */
char *swarm_body_tasks_path(const char *service)
{
    return make_path("/tasks",
                     json_pack("{s:[s], s:[s,s]}", "service", service, "desired-state", "running", "ready"));
}

/* Services and nodes tell of the whole swarm, containers of the manager's own machine. */
char *swarm_body_events_path(void)
{
    return make_path("/events",
                     json_pack("{s:[s,s,s], s:[s,s,s,s,s]}", "type", "service", "node", "container", "event",
                               "create", "update", "remove", "start", "die"));
}

bool swarm_body_concerns(const json_t *event, const char *service)
{
    const char *type = json_string_value(json_object_get(event, "Type"));
    const json_t *attributes = json_object_get(json_object_get(event, "Actor"), "Attributes");
    if (type && strcmp(type, "node") == 0) {
        return true;
    }
    bool is_container = type && strcmp(type, "container") == 0;
    const char *name = json_string_value(
        json_object_get(attributes, is_container ? "com.docker.swarm.service.name" : "name"));
    return name && strcmp(name, service) == 0;
}

/* ------------------------------------------------------------------ a service */

static json_t *replicated_of(const json_t *service)
{
    return json_object_get(json_object_get(json_object_get(service, "Spec"), "Mode"), "Replicated");
}

bool swarm_body_service(const json_t *service, json_int_t *version, json_int_t *replicas)
{
    const json_t *index = json_object_get(json_object_get(service, "Version"), "Index");
    const json_t *mode = replicated_of(service);
    *version = json_integer_value(index);
    *replicas = json_integer_value(json_object_get(mode, "Replicas"));
    return json_is_integer(index) && json_is_object(mode);
}

json_t *swarm_body_resized(const json_t *service, json_int_t replicas)
{
    json_t *copy = json_deep_copy(service);
    put(replicated_of(copy), "Replicas", json_integer(replicas));
    json_t *spec = json_incref(json_object_get(copy, "Spec"));
    json_decref(copy);
    return spec;
}

/* ------------------------------------------------------------------ tasks */

/* Its address in the network, which is given by name or by id. False: it has none. */
static bool read_address(const json_t *task, const struct config *config, struct spawner_started *out)
{
    const char *wanted = config->replicas.swarm.network;
    const json_t *attachments = json_object_get(task, "NetworksAttachments");
    for (size_t i = 0; i < json_array_size(attachments); i++) {
        const json_t *one = json_array_get(attachments, i), *network = json_object_get(one, "Network");
        const char *id = json_string_value(json_object_get(network, "ID"));
        const char *name = json_string_value(json_object_get(json_object_get(network, "Spec"), "Name"));
        const char *address = json_string_value(json_array_get(json_object_get(one, "Addresses"), 0));
        if (!address || ((!name || strcmp(name, wanted) != 0) && (!id || strcmp(id, wanted) != 0))) {
            continue;
        }
        char text[128];
        int len = (int)strcspn(address, "/");
        bool is_six = memchr(address, ':', (size_t)len) != NULL;
        snprintf(text, sizeof text, is_six ? "[%.*s]:%u" : "%.*s:%u", len < 64 ? len : 64, address,
                 config->replicas.swarm.port);
        out->address_len = config_parse_address(text, &out->address);
        out->pid = 0;
        return out->address_len > 0;
    }
    return false;
}

static struct swarm_slot *find_slot(struct swarm_slots *slots, uint64_t number, const char *service)
{
    for (size_t i = slots->n; i > 0; i--) {
        if (slots->items[i - 1].number == number) {
            return &slots->items[i - 1];
        }
    }
    struct swarm_slot *slot = &slots->items[slots->n++];
    *slot = (struct swarm_slot){ .number = number };
    slot->name = mem_format("%s.%" PRIu64, service, number);
    return slot;
}

static void note_waiting(struct swarm_slot *slot, const json_t *status, const char *state)
{
    const char *error = json_string_value(json_object_get(status, "Err"));
    free(slot->state);
    slot->state = mem_format("%s%s%.160s", state, error && *error ? ": " : "", error ? error : "");
}

static bool is_word(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

/* The first word of a machine is that it has accepted the task. */
static void note_next(struct swarm_slot *slot, const json_t *task, const char *id, const char *state,
                      const struct config *config)
{
    snprintf(slot->waits, sizeof slot->waits, "%s", id);
    slot->is_unheard = is_word(state, "assigned") && read_address(task, config, &slot->waits_at);
}

/* A task runs for Swarm at its first good health check, which may be half a minute away. Our heartbeats tell sooner, so
 * one that starts is asked already; beside one that runs (an update that starts the new one first) it waits. */
static unsigned rank_of(const char *wanted, const char *state)
{
    if (!is_word(wanted, "running")) {
        return 0;
    }
    return is_word(state, "running") ? 2 : is_word(state, "starting") ? 1 : 0;
}

static void note_task(const json_t *task, const struct config *config, struct swarm_slots *slots,
                      char *trouble, size_t trouble_size)
{
    const json_t *status = json_object_get(task, "Status");
    const char *id = json_string_value(json_object_get(task, "ID"));
    const char *wanted = json_string_value(json_object_get(task, "DesiredState"));
    const char *state = json_string_value(json_object_get(status, "State"));
    const char *created = json_string_value(json_object_get(task, "CreatedAt"));
    json_int_t number = json_integer_value(json_object_get(task, "Slot"));
    bool is_wanted = is_word(wanted, "running") || is_word(wanted, "ready");
    if (!id || strlen(id) >= SWARM_ID_SIZE || !state || number <= 0 || !is_wanted) {
        return;
    }
    struct swarm_slot *slot = find_slot(slots, (uint64_t)number, config->replicas.swarm.service);
    struct spawner_started where = { 0 };
    unsigned rank = rank_of(wanted, state);
    created = created ? created : "";
    if (rank == 0) {
        note_waiting(slot, status, state);
        if (is_word(wanted, "running")) {
            note_next(slot, task, id, state, config);
        }
    } else if (!read_address(task, config, &where)) {
        snprintf(trouble, trouble_size, "replica %s has no address in the network %s", slot->name,
                 config->replicas.swarm.network);
    } else if (rank > slot->rank || (rank == slot->rank && strcmp(created, slot->created) > 0)) {
        slot->where = where;
        slot->rank = rank;
        snprintf(slot->task, sizeof slot->task, "%s", id);
        snprintf(slot->created, sizeof slot->created, "%s", created);
    }
}

static int compare_slots(const void *a, const void *b)
{
    const struct swarm_slot *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

void swarm_body_slots(const json_t *tasks, const struct config *config, struct swarm_slots *out,
                      char *trouble, size_t trouble_size)
{
    size_t n = json_array_size(tasks);
    *out = (struct swarm_slots){ .items = mem_zero(n + 1, sizeof *out->items) };
    trouble[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        note_task(json_array_get(tasks, i), config, out, trouble, trouble_size);
    }
    qsort(out->items, out->n, sizeof *out->items, compare_slots);
}

void swarm_body_free(struct swarm_slots *slots)
{
    for (size_t i = 0; i < slots->n; i++) {
        free(slots->items[i].name);
        free(slots->items[i].state);
    }
    free(slots->items);
    *slots = (struct swarm_slots){ 0 };
}
