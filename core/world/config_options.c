/*
 * config_options.c - every option of lb.conf, in one table.
 *
 * Owns     the table.
 * Used by  the other config_*.c files.
 * Uses     config_types.h, config_texts.h.
 * Thread   any; constants.
 *
 * Rows of one group stand together, and what stands in no group comes first: lb.conf, the dump and the reference have the
 * same order.
 */
#include "world/config_options.h"

#include <string.h>

#include "world/config_texts.h"
#include "world/config_types.h"
#include "world/shadow.h"

enum {
    DAY_MS = 24 * 60 * 60 * 1000,
    TEXT_MAX = 1024,
    REPLICAS_MAX = 65536 /* what replicas.max can be */
};

static const char *const drivers[] = {
    [DRIVER_PROCESS] = "process", [DRIVER_STATIC] = "static", [DRIVER_DOCKER] = "docker",
    [DRIVER_DNS] = "dns",         [DRIVER_SWARM] = "swarm",   NULL
};
static const char *const on_exits[] = { [ON_EXIT_STOP] = "stop", [ON_EXIT_LEAVE] = "leave", NULL };
static const char *const replacements[] = {
    [REPLACEMENT_EMERGENCY] = "emergency", [REPLACEMENT_SAME] = "same", NULL
};
static const char *const access_formats[] = { [ACCESS_JSON] = "json", [ACCESS_COMBINED] = "combined", NULL };
static const char *const outputs[] = {
    [OUTPUT_LOG] = "log", [OUTPUT_INHERIT] = "inherit", [OUTPUT_DISCARD] = "discard", NULL
};
static const char *const moves[] = { [MOVE_WHEN_DEAD] = "dead", [MOVE_WHEN_UNREADY] = "unready", NULL };
static const char *const proxy_protocols[] = {
    [PROXY_PROTOCOL_OFF] = "off", [PROXY_PROTOCOL_V2] = "v2", NULL
};
static const char *const levels[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error", NULL
};

/* The columns that most rows share: name, type, field, bounds, default; the rest of a row follows by name. */
#define FIELD(field_)           .offset = offsetof(struct config, field_), .size = sizeof(((struct config *)0)->field_)
#define COUNTED(field_, count_) FIELD(field_), .count_offset = offsetof(struct config, count_)
#define INTEGER(field_, min_, max_, dflt_)                                                      \
    .name = #field_, .type = &config_integer_type, FIELD(field_), .min = (min_), .max = (max_), \
    .dflt = (dflt_)
#define MS(field_, min_, max_, dflt_)    INTEGER(field_, min_, max_, dflt_), .unit = "ms"
#define BYTES(field_, min_, max_, dflt_) INTEGER(field_, min_, max_, dflt_), .unit = "bytes"
#define WORD(field_, words_, dflt_) \
    .name = #field_, .type = &config_word_type, FIELD(field_), .words = (words_), .dflt = (dflt_)
#define TEXT(field_, type_, min_, max_, dflt_) \
    .name = #field_, .type = &(type_), FIELD(field_), .min = (min_), .max = (max_), .dflt = (dflt_)
#define PLUGIN(field_, min_, dflt_)                                                              \
    .name = #field_, .type = &config_plugin_type, FIELD(field_), .min = (min_), .max = TEXT_MAX, \
    .dflt = (dflt_)
#define PLUGIN_OPTIONS(field_) \
    .name = #field_ "_options", .type = &config_plugin_options_type, FIELD(field_), .dflt = "{ }"

const struct config_option config_options[] = {
    { TEXT(listen, config_texts_type, 1, 64, "[ \"0.0.0.0:5000\" ]"), .check = config_check_listener,
      .when = CONFIG_AT_RESTART,
      .help =
          "Where clients connect: one or more of host:port, [v6]:port or :port. With \" proxy\" behind it, connections "
          "there begin with a PROXY header (version 1 or 2)." },
    { TEXT(admin, config_text_type, 0, 64, "\"127.0.0.1:9901\""), .check = config_check_listen_address,
      .when = CONFIG_AT_RESTART, .help = "Where /_lb/ answers: state and control. \"\": nowhere." },
    { INTEGER(workers, 0, 64, "0"), .when = CONFIG_AT_RESTART,
      .help = "Threads that carry traffic; 0 is one for each core." },
    { TEXT(plugin_dir, config_path_type, 0, TEXT_MAX, "\"\""),
      .help =
          "Where NAME.so is looked for. \"\": ../plugins or the installed place, seen from the program, else plugins "
          "beside this file." },
    { .name = "control_from",
      .type = &config_networks_type,
      COUNTED(control_from, n_control_from),
      .min = 0,
      .max = 1024,
      .dflt = "[ \"127.0.0.0/8\", \"::1/128\" ]",
      .help =
          "Who may call the routes that change something: addresses and networks. An empty list is nobody." },
    { TEXT(control_token, config_text_type, 0, 256, "\"\""), .check = config_check_token,
      .help = "What those callers must send besides, as Authorization: Bearer TOKEN. \"\": nothing." },
    { .name = "proxy_from",
      .type = &config_networks_type,
      COUNTED(proxy_from, n_proxy_from),
      .min = 0,
      .max = 1024,
      .dflt = "[ \"127.0.0.0/8\", \"::1/128\" ]",
      .help = "Who may connect where listen says proxy, and so say who the client is. Others are closed." },
    { .name = "trust_forwarded",
      .type = &config_networks_type,
      COUNTED(trust_forwarded, n_trust_forwarded),
      .min = 0,
      .max = 1024,
      .dflt = "[ ]",
      .help =
          "Proxies before this one whose X-Forwarded-For, -Proto and -Host are believed. X-Forwarded-For is appended to "
          "in any case." },
    { TEXT(upgrade, config_texts_type, 0, 64, "[ \"*\" ]"), .check = config_check_protocol,
      .help =
          "Protocols that a client may switch to by Upgrade, such as \"websocket\". \"*\": all but those that carry "
          "HTTP again (h2c, HTTP, TLS), which must be named." },

    { PLUGIN(strategy.scheduler, 1, "\"scheduler_ring\""),
      .help = "The plugin that chooses the replica: a name in plugin_dir, or a path with a slash." },
    { PLUGIN(strategy.hash, 0, "\"hash_murmur\""),
      .help =
          "The plugin that turns keys and replicas into numbers. \"\": none, if the scheduler needs none." },
    { PLUGIN(strategy.probe, 0, "\"probe_linear\""),
      .help = "The plugin that says which slot is next when one is taken. \"\": none." },
    { .name = "strategy.key",
      .type = &config_keys_type,
      COUNTED(strategy.keys, strategy.n_keys),
      .min = 1,
      .max = 16,
      .dflt = "[ \"query:request_id\", \"header:x-request-id\", \"random\" ]",
      .help =
          "What a request is known by, the first one present: query:NAME, header:NAME, cookie:NAME, path, uri, "
          "client_ip, random." },
    { PLUGIN_OPTIONS(strategy.scheduler), .help = "Options of the scheduler; each plugin has its own." },
    { PLUGIN_OPTIONS(strategy.hash), .help = "Options of the hash." },
    { PLUGIN_OPTIONS(strategy.probe), .help = "Options of the probe." },
    { .name = "strategy.bounded_load",
      .type = &config_ratio_type,
      FIELD(strategy.bounded_load),
      .min = 1000,
      .max = 100000,
      .dflt = "0.0",
      .help =
          "No replica holds more than so many times its fair share of what is in flight; a full one is passed over. "
          "0: no bound." },
    { .name = "strategy.shadow",
      .type = &config_shadows_type,
      COUNTED(strategy.shadows, strategy.n_shadows),
      .min = 0,
      .max = SHADOW_MAX,
      .dflt = "( )",
      .help =
          "Candidates, asked and never obeyed: ( { name = \"…\"; hash = \"…\"; hash_options = { … }; }, … ). What one "
          "leaves out is as in force. GET /_lb/shadow compares." },
    { INTEGER(strategy.shadow_sample, 0, 1000000, "16"),
      .help =
          "Candidates are asked about one of so many requests. 0: about none; their exact figures stay." },
    { MS(strategy.vet_timeout_ms, 100, 600000, "2000"),
      .help =
          "Processor time in which new plugins must pass their vetting; five times as long by the clock." },
    { INTEGER(strategy.vet_memory_mib, 64, 1048576, "1024"), .unit = "MiB",
      .help = "Memory that plugins may take while they are vetted, with tables of up to 256 members." },

    { WORD(replicas.driver, drivers, "\"process\""), .when = CONFIG_AT_RESTART,
      .help =
          "Who runs the replicas: \"process\", child processes of the balancer; \"docker\", a Docker Engine; "
          "\"swarm\", a Docker Swarm of several machines; \"static\", somebody else; \"dns\", too, and DNS says where." },
    { INTEGER(replicas.count, 0, REPLICAS_MAX, "3"), .with = "replicas.driver",
      .help = "Replicas to run. The driver static runs those it is given." },
    { INTEGER(replicas.max, 1, REPLICAS_MAX, "4096"), .with = "replicas.driver",
      .help = "More than this many there will never be." },
    { INTEGER(replicas.spares, 0, REPLICAS_MAX, "0"), .with = "replicas.driver",
      .help =
          "Replicas that run beyond count, in no rotation: one takes over the place of one that dies, or hangs, as soon "
          "as that is known. With the drivers process and docker." },
    { TEXT(replicas.name, config_text_type, 1, 63, "\"Server {n}\""), .check = config_check_name_pattern,
      .help = "What replicas are called; {n} is 1, 2, 3 …" },
    { WORD(replicas.replacement, replacements, "\"emergency\""),
      .help =
          "The name of the one that replaces a dead replica: \"emergency\", emergency_NN; \"same\", the dead one's." },
    { MS(replicas.add_timeout_ms, 1, DAY_MS, "10000"),
      .help = "/add gives up on a replica that is not ready by then." },
    { MS(replicas.stop_timeout_ms, 1, DAY_MS, "5000"),
      .help = "From the polite signal to the one that kills." },
    { MS(replicas.drain_timeout_ms, 1, DAY_MS, "30000"),
      .help = "A removed replica may finish its requests for so long." },
    { MS(replicas.backoff_min_ms, 1, DAY_MS, "100"),
      .help = "The wait before the second restart; the first is at once." },
    { MS(replicas.backoff_max_ms, 1, DAY_MS, "10000"), .help = "Waits double up to this." },
    { MS(replicas.backoff_reset_ms, 1, DAY_MS, "60000"),
      .help = "A replica that was ready for so long starts afresh." },
    { TEXT(replicas.state_file, config_path_type, 0, TEXT_MAX, "\"\""), .when = CONFIG_AT_RESTART,
      .help =
          "Where /add and /rm are written down, so that they outlast a restart; count counts again when it was "
          "changed since. \"\": nowhere." },
    { MS(replicas.slow_start_ms, 0, DAY_MS, "0"),
      .help =
          "A new or recovered replica gets a share of its requests that grows for so long. 0: all of them at once." },
    { .name = "replicas.weights",
      .type = &config_numbers_type,
      COUNTED(replicas.weights, replicas.n_weights),
      .min = 1,
      .max = 65535,
      .dflt = "[ ]",
      .help =
          "Weights of the first, second, … replica; those beyond have 1, and so have all that /add brings without one." },
    { .name = "replicas.scale.target_inflight",
      .type = &config_ratio_type,
      FIELD(replicas.scale.target_inflight),
      .min = 100,
      .max = 1000000000,
      .dflt = "0.0",
      .with = "replicas.driver",
      .help =
          "As many replicas as it takes to have so many requests in flight on each, as a mean over a second. 0: off." },
    { INTEGER(replicas.scale.min, 1, REPLICAS_MAX, "1"), .with = "replicas.driver",
      .help = "Never fewer, and count not below it." },
    { INTEGER(replicas.scale.max, 1, REPLICAS_MAX, "16"), .with = "replicas.driver",
      .help =
          "Never more, and count not above it. What /add brings beyond it leaves again after twice cooldown_ms." },
    { MS(replicas.scale.cooldown_ms, 100, DAY_MS, "10000"),
      .help =
          "From any change of the number (/add and /rm too) to more; before some leave the load must be low for twice as "
          "long, and longer when those before were missed at once." },
    { TEXT(replicas.process.command, config_texts_type, 1, 256, "[ \"backend\" ]"), .with = "replicas.driver",
      .help =
          "Program and arguments. A bare name is looked for beside the balancer, in its libexec, in PATH." },
    { INTEGER(replicas.process.base_port, 1, 65535, "5001"), .with = "replicas.driver",
      .help = "The first port that is tried for a replica; taken ones are skipped." },
    { TEXT(replicas.process.address, config_text_type, 1, 64, "\"127.0.0.1\""), .check = config_check_host,
      .with = "replicas.driver",
      .help = "Where they listen: each is told by ADDRESS and PORT in its environment." },
    { TEXT(replicas.process.environment, config_texts_type, 0, 256, "[ ]"), .check = config_check_setting,
      .help = "More of their environment: \"NAME=value\". SERVER_ID, PORT and ADDRESS are set in any case." },
    { TEXT(replicas.process.directory, config_path_type, 0, TEXT_MAX, "\"\""),
      .help = "The directory they start in. \"\": the balancer's." },
    { TEXT(replicas.process.user, config_text_type, 0, 64, "\"\""), .check = config_check_user,
      .help = "Whose rights they have, a name or a number; only root can give others away. \"\": the "
              "balancer's." },
    { TEXT(replicas.process.group, config_text_type, 0, 64, "\"\""), .check = config_check_group,
      .help = "Their group. \"\": the user's, with all that it belongs to." },
    { WORD(replicas.process.output, outputs, "\"log\""),
      .help = "What they print goes \"log\": line by line into the balancer's log, \"inherit\": where the "
              "balancer's goes, \"discard\": nowhere." },
    { INTEGER(replicas.process.output_lines, 1, 1000000, "100"), .unit = "lines a second",
      .help = "More of one replica's lines are counted, not logged. All together never log more than 2000." },
    { INTEGER(replicas.process.open_files, 0, 1 << 30, "0"),
      .help = "Descriptors that each may have open. 0 here and below: as the balancer." },
    { INTEGER(replicas.process.memory_mib, 0, 1 << 30, "0"), .unit = "MiB",
      .help = "Address space that each may use." },
    { INTEGER(replicas.process.processes, 0, 1 << 22, "0"),
      .help = "Processes and threads that their user may have, all together." },
    { INTEGER(replicas.process.cpu_seconds, 0, 1 << 30, "0"), .unit = "s",
      .help = "Processor time after which each is ended, and replaced." },
    { INTEGER(replicas.process.file_mib, 0, 1 << 30, "0"), .unit = "MiB",
      .help = "The largest file that each may write." },
    { .name = "replicas.static.addresses",
      .type = &config_addresses_type,
      COUNTED(replicas.members, replicas.n_members),
      .min = 0,
      .max = REPLICAS_MAX,
      .dflt = "[ ]",
      .with = "replicas.driver",
      .help = "Replicas that run already: host:port, each of weight 1." },
    { .name = "replicas.static.members",
      .type = &config_members_type,
      COUNTED(replicas.members, replicas.n_members),
      .min = 0,
      .max = REPLICAS_MAX,
      .dflt = "( )",
      .with = "replicas.driver",
      .help =
          "More of them, with weight (1 to 65535) and name: ( { address = \"…\"; weight = 2; name = \"…\"; }, … )." },

    { TEXT(replicas.docker.engine, config_text_type, 1, TEXT_MAX, "\"unix:///var/run/docker.sock\""),
      .check = config_check_engine, .when = CONFIG_AT_RESTART,
      .help = "Where the engine listens: unix://PATH or tcp://HOST:PORT." },
    { TEXT(replicas.docker.instance, config_text_type, 0, 48, "\"\""), .check = config_check_instance,
      .when = CONFIG_AT_RESTART,
      .help =
          "Whose containers: those with this label are ours. \"\": the compose project, else host name and port." },
    { TEXT(replicas.docker.image, config_text_type, 1, 255, "\"ringmaster-backend\""),
      .with = "replicas.driver", .help = "The image of a replica; the engine must have it." },
    { TEXT(replicas.docker.command, config_texts_type, 0, 256, "[ ]"), .with = "replicas.driver",
      .help = "Its command, instead of the image's own." },
    { TEXT(replicas.docker.environment, config_texts_type, 0, 256, "[ ]"), .check = config_check_setting,
      .with = "replicas.driver",
      .help = "More of its environment: \"NAME=value\"; SERVER_ID, PORT and ADDRESS are always there." },
    { TEXT(replicas.docker.network, config_text_type, 0, 128, "\"\""), .check = config_check_docker_network,
      .with = "replicas.driver",
      .help =
          "The network that replicas join; the balancer must reach it. \"\": the engine's default bridge." },
    { INTEGER(replicas.docker.port, 1, 65535, "5000"), .with = "replicas.driver",
      .help = "Where a replica listens in its container." },
    { INTEGER(replicas.docker.publish_base_port, 0, 65535, "0"), .with = "replicas.driver",
      .help = "Replicas are published on the engine's machine from this port up. 0: they are not." },
    { INTEGER(replicas.docker.memory_mib, 0, 16777216, "0"), .unit = "MiB", .with = "replicas.driver",
      .help = "Memory of one replica; more ends it. 0: no limit." },
    { .name = "replicas.docker.cpus",
      .type = &config_ratio_type,
      FIELD(replicas.docker.cpus),
      .min = 100,
      .max = 1024000,
      .dflt = "0.0",
      .with = "replicas.driver",
      .help = "Processors of one replica: 0.5 is half of one. 0: no limit." },
    { WORD(replicas.docker.on_exit, on_exits, "\"stop\""), .with = "replicas.driver",
      .help =
          "When the balancer leaves: \"stop\" removes the containers, \"leave\" leaves them to the next one." },

    { TEXT(replicas.dns.name, config_text_type, 0, 253, "\"\""), .with = "replicas.driver",
      .help =
          "Whose A and AAAA records are the replicas: a full name, no search list is tried. Each is called as its address." },
    { INTEGER(replicas.dns.port, 1, 65535, "5000"), .with = "replicas.driver", .help = "Where they listen." },
    { TEXT(replicas.dns.server, config_text_type, 0, 64, "\"\""), .check = config_check_dns_server,
      .with = "replicas.driver",
      .help = "Who is asked, as host:port. \"\": the servers in /etc/resolv.conf." },
    { MS(replicas.dns.min_ttl_ms, 10, DAY_MS, "1000"), .with = "replicas.driver",
      .help = "It is asked again when the records are old by their TTL, but no sooner than this …" },
    { MS(replicas.dns.max_ttl_ms, 10, DAY_MS, "30000"), .with = "replicas.driver",
      .help = "… and no later than this. While DNS fails the pauses double from the one to the other." },
    { MS(replicas.dns.timeout_ms, 10, DAY_MS, "1000"), .with = "replicas.driver",
      .help = "One try; each server is tried twice, the second time for twice as long." },

    { TEXT(replicas.swarm.engine, config_text_type, 1, TEXT_MAX, "\"unix:///var/run/docker.sock\""),
      .check = config_check_engine, .when = CONFIG_AT_RESTART,
      .help = "Where a manager's engine, or a proxy to it, listens: unix://PATH or tcp://HOST:PORT." },
    { TEXT(replicas.swarm.service, config_text_type, 1, 48, "\"replicas\""), .check = config_check_instance,
      .when = CONFIG_AT_RESTART,
      .help =
          "The service whose tasks are the replicas; made when there is none. Replicas are called SERVICE.SLOT." },
    { TEXT(replicas.swarm.network, config_text_type, 1, 128, "\"ringmaster\""),
      .check = config_check_docker_network, .when = CONFIG_AT_RESTART,
      .help = "The overlay network, name or id, where replicas are reached; the balancer must be in it." },
    { INTEGER(replicas.swarm.port, 1, 65535, "5000"), .when = CONFIG_AT_RESTART,
      .help = "Where a replica listens in its container." },
    { TEXT(replicas.swarm.image, config_text_type, 0, 255, "\"ringmaster-backend\""),
      .when = CONFIG_AT_RESTART,
      .help = "The image for a service that is made. \"\": none is made, it has to be there." },
    { TEXT(replicas.swarm.command, config_texts_type, 0, 256, "[ ]"), .when = CONFIG_AT_RESTART,
      .help = "For a service that is made: the command, instead of the image's own." },
    { TEXT(replicas.swarm.environment, config_texts_type, 0, 256, "[ ]"), .check = config_check_setting,
      .when = CONFIG_AT_RESTART,
      .help =
          "For a service that is made: \"NAME=value\"; SERVER_ID (SERVICE.SLOT), PORT and ADDRESS are always there." },
    { INTEGER(replicas.swarm.memory_mib, 0, 16777216, "0"), .unit = "MiB", .when = CONFIG_AT_RESTART,
      .help = "For a service that is made: memory of one replica; more ends it. 0: no limit." },
    { .name = "replicas.swarm.cpus",
      .type = &config_ratio_type,
      FIELD(replicas.swarm.cpus),
      .min = 100,
      .max = 1024000,
      .dflt = "0.0",
      .when = CONFIG_AT_RESTART,
      .help = "For a service that is made: processors of one replica. 0: no limit." },
    { WORD(replicas.swarm.on_exit, on_exits, "\"leave\""), .with = "replicas.driver",
      .help =
          "When the balancer leaves: \"leave\" leaves the service to the other balancers, \"stop\" removes it." },

    { TEXT(health.path, config_text_type, 1, TEXT_MAX, "\"/heartbeat\""), .check = config_check_url_path,
      .help = "What a heartbeat asks for; 200 is the good answer." },
    { MS(health.interval_ms, 10, DAY_MS, "250"), .help = "From one heartbeat of a replica to the next." },
    { MS(health.timeout_ms, 1, DAY_MS, "200"),
      .help = "A heartbeat not answered by then is a miss, and asked again at once." },
    { MS(health.start_interval_ms, 1, DAY_MS, "5"), .help = "The same interval while a replica starts." },
    { MS(health.start_timeout_ms, 1, DAY_MS, "10000"),
      .help = "Not ready for so long after its start: it is started again." },
    { INTEGER(health.unready_after, 1, 1000, "2"),
      .help = "Misses in a row that take a replica out of rotation." },
    { INTEGER(health.dead_after, 1, 100000, "20"), .help = "Misses in a row after which it is replaced." },

    { INTEGER(outlier.failures, 0, 1000000, "5"),
      .help =
          "So many attempts in a row without a usable reply, as one worker sees it: ejected. 0: never for that." },
    { INTEGER(outlier.errors, 0, 1000000, "0"), .help = "So many replies 5xx in a row. 0: never for that." },
    { INTEGER(outlier.failure_percent, 0, 100, "0"), .unit = "percent",
      .help = "So many of its requests in one window failed or were answered 5xx. 0: never for that." },
    { .name = "outlier.latency_factor",
      .type = &config_ratio_type,
      FIELD(outlier.latency_factor),
      .min = 1100,
      .max = 1000000,
      .dflt = "0.0",
      .help =
          "Its mean time to reply in one window is so many times the median of the pool's. 0: never for that." },
    { INTEGER(outlier.min_requests, 1, 1000000, "50"),
      .help = "With fewer in a window, percent and time say nothing of a replica." },
    { MS(outlier.window_ms, 50, DAY_MS, "1000"), .help = "Over so long are percent and time counted." },
    { MS(outlier.eject_ms, 1, DAY_MS, "5000"),
      .help =
          "An ejected replica is out of rotation for so long; twice as long each time that it fails again …" },
    { MS(outlier.eject_max_ms, 1, DAY_MS, "300000"),
      .help = "… up to this. Ready for replicas.backoff_reset_ms, it starts afresh." },
    { INTEGER(outlier.max_ejected_percent, 0, 100, "50"), .unit = "percent",
      .help =
          "Of the replicas no more than these are ejected at a time, and never the last one that is ready." },
    { INTEGER(outlier.trials, 1, 1000000, "5"),
      .help =
          "Back on trial it gets a fiftieth of its requests until so many were answered; the next failure ejects it "
          "again." },

    { MS(timeouts.head, 1, DAY_MS, "10000"),
      .help = "For a request's head to arrive, from its first byte: then 408." },
    { MS(timeouts.body, 1, DAY_MS, "30000"), .help = "Between two pieces of a request's body: then 408." },
    { MS(timeouts.connect, 1, DAY_MS, "1000"),
      .help = "For a connection to a replica: then the next one is tried." },
    { MS(timeouts.reply, 1, DAY_MS, "30000"),
      .help = "For a reply's head, from the end of the request: then 504." },
    { MS(timeouts.relay, 1, DAY_MS, "60000"),
      .help = "Between two pieces of a reply's body: then both sides are closed." },
    { MS(timeouts.tunnel, 1, 7 * DAY_MS, "3600000"),
      .help =
          "A tunnel (WebSocket) may be silent in both directions for so long. Once one side has ended: timeouts.relay." },
    { MS(timeouts.idle, 1, DAY_MS, "75000"),
      .help = "A client's connection may be silent for so long between requests." },
    { MS(timeouts.linger, 1, DAY_MS, "2000"), .help = "A closing connection may still send for so long." },
    { MS(timeouts.drain, 1, DAY_MS, "30000"), .help = "After SIGTERM requests may run for so long." },

    { BYTES(limits.buffer, 4096, 65535, "16384"), .when = CONFIG_AT_RESTART,
      .help = "One I/O buffer; a busy connection has two or three." },
    { BYTES(limits.head, 1024, 65535, "16384"), .with = "limits.buffer",
      .help = "The head of a request (then 431) or reply; at most limits.buffer." },
    { BYTES(limits.target, 256, 65535, "8192"), .with = "limits.buffer",
      .help = "The target in a request's first line: then 414; at most limits.head." },
    { INTEGER(limits.headers, 16, 1000, "100"), .when = CONFIG_AT_RESTART,
      .help = "Fields in a head: then 431." },
    { BYTES(limits.body, 0, INT64_C(1) << 50, "0"), .help = "The body of a request: then 413. 0: any." },
    { BYTES(limits.control_body, 1024, 16 << 20, "65536"),
      .help = "The body of a request to a control route: then 413." },
    { BYTES(limits.replay, 0, 65535, "16384"), .with = "limits.buffer",
      .help = "A request body up to this is kept for a retry; at most limits.buffer." },
    { BYTES(limits.turn_bytes, 4096, 1 << 30, "262144"),
      .help = "What one connection may move before the others get their turn." },
    { BYTES(limits.splice_min, 0, INT64_C(1) << 50, "65536"),
      .help = "A body with so much still to come passes through the kernel alone (splice). 0: never." },
    { INTEGER(limits.pipes, 0, 100000, "256"),
      .help = "Bodies a worker may splice at once; two descriptors each, more are copied." },
    { INTEGER(limits.connections, 1, 1000000, "10000"),
      .help = "Clients connected at once: idle ones make room for more, or else these are answered 503." },
    { INTEGER(limits.connections_per_client, 0, 1000000, "0"),
      .help =
          "The same of one address (IPv6: of a /64), over all workers; those open before it was set do not count. 0: any." },
    { INTEGER(limits.rate, 0, 1000000, "0"), .unit = "a second",
      .help = "Requests of one address, over all workers: then 503 with Retry-After. 0: any." },
    { INTEGER(limits.burst, 1, 1000000, "50"),
      .help = "So many at once are within limits.rate; who was quiet gets them back at that rate." },
    { INTEGER(limits.rate_total, 0, 1000000, "0"), .unit = "a second",
      .help = "Requests of all clients together: then 503 with Retry-After. 0: any." },
    { INTEGER(limits.burst_total, 1, 1000000, "1000"), .help = "The same for limits.rate_total." },
    { INTEGER(limits.addresses, 64, 1 << 24, "65536"), .when = CONFIG_AT_RESTART,
      .help =
          "Addresses that are told apart, 16 bytes each. Beyond it the longest quiet one is forgotten; one that finds no "
          "place is not limited." },
    { INTEGER(limits.memory_mib, 16, 1048576, "1024"), .unit = "MiB",
      .help =
          "What connections and requests under way may take, each worker an equal part: then 503 with Retry-After." },
    { BYTES(limits.unsent, 0, 1 << 30, "524288"),
      .help =
          "What may wait in the kernel for a client that does not read, for connections from then on. 0: what the kernel "
          "likes." },
    { INTEGER(limits.min_rate, 0, 1 << 30, "100"), .unit = "bytes a second",
      .help =
          "Slower clients are ended, as long as a body or their reading is waited for: 408, or closed. 0: no rule." },
    { MS(limits.min_rate_ms, 100, DAY_MS, "30000"), .help = "What limits.min_rate is measured over." },
    { INTEGER(limits.requests_per_connection, 0, INT32_MAX, "0"),
      .help = "After so many a client's connection is closed. 0: any." },
    { INTEGER(limits.history, 0, 1000000, "16384"),
      .help =
          "Request ids kept of each replica, for /requests/NAME. A history begun keeps its size. 0: none." },

    { INTEGER(retry.attempts, 1, 100, "3"),
      .help = "Replicas that one request is tried on, the first one included." },
    { INTEGER(retry.budget_percent, 0, 100, "20"), .unit = "percent",
      .help = "Retries after time-outs and 5xx, of the requests in flight …" },
    { INTEGER(retry.budget_min, 0, 1000000, "64"), .help = "… but so many at once in any case." },
    { .name = "retry.move",
      .type = &config_word_type,
      FIELD(retry.move),
      .words = moves,
      .dflt = "\"dead\"",
      .help =
          "When a request that may be repeated stops waiting for a replica without heartbeats: when it is dead, or "
          "already unready, which costs from the budget and may do work twice." },

    { INTEGER(upstream.idle, 0, 65536, "4096"),
      .help = "Idle connections kept for each replica by each worker." },
    { MS(upstream.idle_ms, 1, DAY_MS, "30000"), .help = "For so long." },
    { MS(upstream.safe_idle_ms, 0, DAY_MS, "1000"),
      .help =
          "A request that must not be sent twice takes a connection idle for less than this, or a new one." },
    { .name = "upstream.proxy_protocol",
      .type = &config_word_type,
      FIELD(upstream.proxy_protocol),
      .words = proxy_protocols,
      .dflt = "\"off\"",
      .help =
          "\"v2\": connections to replicas begin with a PROXY header that names the client, and serve it alone: far "
          "fewer are used again." },

    { TEXT(log.file, config_path_type, 0, TEXT_MAX, "\"\""),
      .help = "Where the balancer writes its log, appended. \"\": standard error." },
    { WORD(log.level, levels, "\"info\""), .help = "The least important lines that are written." },
    { TEXT(log.access.path, config_path_type, 0, TEXT_MAX, "\"\""),
      .help = "Where a line for each request is appended. \"\": nowhere. SIGUSR1 opens it again." },
    { WORD(log.access.format, access_formats, "\"json\""),
      .help = "An object a line, or the combined format that NCSA and nginx write." },
    { INTEGER(log.access.buffer_kib, 32, 4096, "64"), .unit = "KiB",
      .help = "Lines are handed to the writer in blocks of this size." },
    { MS(log.access.flush_ms, 1, 60000, "1000"), .help = "A line waits no longer for its block to fill." },
    { INTEGER(log.access.queue_kib, 64, 1048576, "4096"), .unit = "KiB",
      .help =
          "What each worker may have waiting for the disk, two blocks at least; beyond it lines are lost." },
};

const size_t config_n_options = sizeof config_options / sizeof *config_options;

const struct config_group config_groups[] = {
    { "", "Where the balancer listens, and who may steer it." },
    { "strategy",
      "Which replica gets a request: a scheduler, a hash and a probe, and what a request is known by." },
    { "replicas", "Who runs the replicas, how many there are, and what happens when one dies or leaves." },
    { "replicas.scale",
      "Autoscaling, off by default; for drivers that start replicas. /_lb/events tells each decision and why." },
    { "replicas.process", "The driver `process`: replicas are child processes of the balancer." },
    { "replicas.static", "The driver `static`: replicas are run by somebody else." },
    { "replicas.docker", "The driver `docker`: replicas are containers of a Docker Engine." },
    { "replicas.dns",
      "The driver `dns`: replicas are run by somebody else, and found by name. When DNS fails, or has nobody, they stay." },
    { "replicas.swarm",
      "The driver `swarm`: replicas are the tasks of a Docker Swarm service, wherever that places them, and Swarm restarts "
      "them. replicas.count is for a service that is made, and when it changes at a reload. /add and /rm take a number, no "
      "names: Swarm names them and chooses who leaves." },
    { "health", "Heartbeats: when a replica is out of rotation, and when it is given up." },
    { "outlier",
      "Passive health: a replica whose answers show that something is wrong leaves the rotation for a while." },
    { "timeouts", "How long each phase of a request may take." },
    { "limits", "How large things may be." },
    { "retry", "When a request is tried on another replica; only before the first byte of a reply." },
    { "upstream", "Connections to replicas that are kept for the next request." },
    { "log", "The balancer's own log." },
    { "log.access",
      "The access log: a line for each request. A slow or full disk loses lines, which `/_lb/state` counts." },
    { NULL, NULL },
};

const struct config_option *config_option_find(const char *name)
{
    for (size_t i = 0; i < config_n_options; i++) {
        if (strcmp(config_options[i].name, name) == 0) {
            return &config_options[i];
        }
    }
    return NULL;
}

size_t config_option_index(const struct config_option *option)
{
    return (size_t)(option - config_options);
}
