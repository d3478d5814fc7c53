/*
 * test_config.c - a good lb.conf: its values, its dump, what a reload takes of it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "unit/world/config_kit.h"

/* Every option away from its default; paths and programs are there. */
static const char everything[] =
    "listen = [ \"127.0.0.1:5000\", \"[::1]:5000\", \":7432\" ]; admin = \"\"; workers = 2; plugin_dir = \"my/plugins\";\n"
    "control_from = [ \"10.1.0.0/16\", \"192.168.1.7\", \"fd00::/8\", \"0.0.0.0/0\" ]; control_token = \"s3cret\";\n"
    "strategy = {\n"
    "    scheduler = \"./mine/scheduler_mine.so\"; hash = \"hash_quadratic\"; probe = \"\";\n"
    "    key = [ \"cookie:Session\", \"header:X-User-Id\", \"query:user id\", \"path\", \"uri\", \"client_ip\" ];\n"
    "    scheduler_options = { slots = 4294967296L; name = \"a \\\"b\\\" \\\\ \\n \\x01 \xc3\xbc\"; };\n"
    "    hash_options = { f = 0.1; g = 1.0; h = -2.5e-300; i = -1; k = 0x10; yes = true; no = FALSE; };\n"
    "    probe_options = { z = 9223372036854775807L; }; bounded_load = 1.125; vet_timeout_ms = 1900; vet_memory_mib = 190; shadow_sample = 9; shadow = (\n"
    "    { name = \"one\"; hash = \"./h.so\"; hash_options = { a = 1; b = \"x\"; }; }, { name = \"two\"; probe = \"\"; } ); };\n"
    "replicas = { driver = \"static\"; count = 7; max = 77; name = \"S{n}\"; replacement = \"same\";\n"
    "    add_timeout_ms = 1; stop_timeout_ms = 2; drain_timeout_ms = 3; backoff_min_ms = 4; backoff_max_ms = 5;\n"
    "    backoff_reset_ms = 6; process = { command = [ \"./backend\", \"--delay-ms\", \"7\" ]; base_port = 6001;\n"
    "    address = \"::1\"; environment = [ \"A=1\", \"B=\" ]; directory = \"/usr\"; user = \"root\"; group = \"0\"; output = \"discard\";\n"
    "    output_lines = 61; open_files = 62; memory_mib = 63; processes = 64; cpu_seconds = 65; file_mib = 66; };\n"
    "    docker = { engine = \"tcp://e:1\"; instance = \"i\"; image = \"m\"; command = [ \"c\" ]; port = 67;"
    " environment = [ \"A=b\" ]; network = \"n\"; publish_base_port = 68; memory_mib = 69; cpus = 0.5;"
    " on_exit = \"leave\"; };"
    "    dns = { name = \"d.test\"; port = 85; server = \"[::1]:53\"; min_ttl_ms = 86; max_ttl_ms = 87; timeout_ms = 88; };"
    "    swarm = { engine = \"tcp://e:2\"; service = \"s\"; network = \"o\"; port = 91; image = \"\"; command = [ \"d\" ];"
    " environment = [ \"C=d\" ]; memory_mib = 92; cpus = 1.5; on_exit = \"stop\"; };"
    "    static = { addresses = [ \"10.0.0.1:80\", \"[fd00::1]:81\" ];\n"
    "    members = ( { address = \"10.0.0.2:80\"; }, { address = \"10.0.0.3:80\"; weight = 65535; },\n"
    "                { address = \"10.0.0.4:80\"; name = \"big one\"; } ); }; state_file = \"state.json\"; slow_start_ms = 67; scale = { min = 3; max = 9; cooldown_ms = 4321; }; weights = [ 7, 65535 ]; };\n"
    "health = { path = \"/up?x=1\"; interval_ms = 11; timeout_ms = 12; start_interval_ms = 13; start_timeout_ms = 14;\n"
    "    unready_after = 15; dead_after = 16; };\n"
    "outlier = { failures = 71; errors = 72; failure_percent = 73; latency_factor = 7.4; min_requests = 75; window_ms = 76;\n"
    "    eject_ms = 77; eject_max_ms = 78; max_ejected_percent = 79; trials = 80; };\n"
    "timeouts = { head = 21; body = 22; connect = 23; reply = 24; relay = 25; tunnel = 29; idle = 26; linger = 27; drain = 28; };\n"
    "limits = { buffer = 32768; head = 8192; target = 4096; headers = 31; body = 68719476736L; control_body = 32000;\n"
    "    replay = 33; turn_bytes = 34000; splice_min = 34500; pipes = 34; connections = 35; connections_per_client = 351;\n"
    "    rate = 352; burst = 353; rate_total = 354; burst_total = 355; addresses = 356; memory_mib = 357; unsent = 360;\n"
    "    min_rate = 358; min_rate_ms = 359; requests_per_connection = 36; history = 37; };\n"
    "retry = { attempts = 41; budget_percent = 42; move = \"unready\"; budget_min = 43; };\n"
    "upstream = { idle = 51; idle_ms = 52; safe_idle_ms = 53; proxy_protocol = \"v2\"; };\n"
    "log = { file = \"logs/x.log\"; level = \"debug\";\n"
    "    access = { path = \"a.log\"; format = \"combined\"; buffer_kib = 61; flush_ms = 62; queue_kib = 630; }; };\n"
    "upgrade = [ \"websocket\", \"a/1\" ]; proxy_from = [ \"10.2.0.0/16\" ]; trust_forwarded = [ \"fd01::/16\" ];\n";

static struct config *load_everything(void)
{
    return conf_load(everything);
}

/* ------------------------------------------------------------------ values */

static void test_defaults(void **state)
{
    (void)state;
    struct config *c = conf_load("");
    assert_int_equal(c->listen.count, 1);
    assert_string_equal(c->listen.items[0], "0.0.0.0:5000");
    assert_null(c->listen.places[0].file);
    assert_int_equal(c->listen.places[0].line, 0);
    assert_string_equal(c->admin, "127.0.0.1:9901");
    assert_int_equal(c->workers, 0);
    assert_int_equal(c->plugin_dir[0], '/');
    assert_int_equal(c->n_control_from, 2);
    assert_string_equal(c->control_token, "");
    assert_string_equal(c->strategy.scheduler.name, "scheduler_ring");
    assert_string_equal(c->strategy.hash.name, "hash_murmur");
    assert_string_equal(c->strategy.probe.name, "probe_linear");
    assert_int_equal(c->strategy.scheduler.n_options, 0);
    assert_true(c->strategy.bounded_load == 0);
    assert_int_equal(c->strategy.n_keys, 3);
    assert_int_equal(c->strategy.keys[0].source, KEY_QUERY);
    assert_string_equal(c->strategy.keys[0].name, "request_id");
    assert_int_equal(c->strategy.keys[1].source, KEY_HEADER);
    assert_int_equal(c->strategy.keys[1].name_len, 12);
    assert_int_equal(c->strategy.keys[2].source, KEY_RANDOM);
    assert_null(c->strategy.keys[2].name);
    assert_int_equal(c->replicas.driver, DRIVER_PROCESS);
    assert_int_equal(c->replicas.count, 3);
    assert_int_equal(c->replicas.max, 4096);
    assert_string_equal(c->replicas.name, "Server {n}");
    assert_int_equal(c->replicas.replacement, REPLACEMENT_EMERGENCY);
    assert_int_equal(c->replicas.process.base_port, 5001);
    assert_string_equal(c->replicas.process.command.items[0], conf_path("backend"));
    assert_int_equal(c->replicas.n_members, 0);
    assert_int_equal(c->health.interval_ms, 250);
    assert_int_equal(c->timeouts.idle, 75000);
    assert_int_equal(c->limits.buffer, 16384);
    assert_int_equal(c->limits.body, 0);
    assert_int_equal(c->retry.budget_min, 64);
    assert_int_equal(c->upstream.safe_idle_ms, 1000);
    assert_string_equal(c->log.file, "");
    assert_int_equal(c->log.level, LOG_INFO);
    assert_string_equal(c->path, conf_path("lb.conf"));
    assert_string_equal(c->files[0], c->path);
    assert_null(c->files[1]);
    config_release(c);
}

static void check_clients(const struct config *c)
{
    assert_int_equal(c->timeouts.tunnel, 29);
    assert_string_equal(c->upgrade.items[1], "a/1");
    assert_int_equal(c->n_proxy_from, 1);
    assert_int_equal(c->proxy_from[0].bits, 96 + 16);
    assert_int_equal(c->n_trust_forwarded, 1);
    assert_int_equal(c->upstream.proxy_protocol, PROXY_PROTOCOL_V2);
    assert_int_equal(c->retry.move, MOVE_WHEN_UNREADY);
}

static void check_log(const struct config *c)
{
    assert_string_equal(c->log.file, conf_path("logs/x.log"));
    assert_string_equal(c->log.access.path, conf_path("a.log"));
    assert_int_equal(c->log.access.format, ACCESS_COMBINED);
    assert_int_equal(c->log.access.buffer_kib, 61);
    assert_int_equal(c->log.access.flush_ms, 62);
    assert_int_equal(c->log.access.queue_kib, 630);
    assert_int_equal(c->log.level, LOG_DEBUG);
}

static void check_docker_values(const struct config *c)
{
    assert_string_equal(c->replicas.docker.engine, "tcp://e:1");
    assert_string_equal(c->replicas.docker.instance, "i");
    assert_string_equal(c->replicas.docker.image, "m");
    assert_string_equal(c->replicas.docker.command.items[0], "c");
    assert_string_equal(c->replicas.docker.environment.items[0], "A=b");
    assert_string_equal(c->replicas.docker.network, "n");
    assert_int_equal(c->replicas.docker.port, 67);
    assert_int_equal(c->replicas.docker.publish_base_port, 68);
    assert_int_equal(c->replicas.docker.memory_mib, 69);
    assert_int_equal(c->replicas.docker.cpus, 500);
    assert_int_equal(c->replicas.docker.on_exit, ON_EXIT_LEAVE);
}

static void check_swarm_values(const struct config *c)
{
    assert_string_equal(c->replicas.swarm.engine, "tcp://e:2");
    assert_string_equal(c->replicas.swarm.service, "s");
    assert_string_equal(c->replicas.swarm.network, "o");
    assert_int_equal(c->replicas.swarm.port, 91);
    assert_string_equal(c->replicas.swarm.image, "");
    assert_string_equal(c->replicas.swarm.command.items[0], "d");
    assert_string_equal(c->replicas.swarm.environment.items[0], "C=d");
    assert_int_equal(c->replicas.swarm.memory_mib, 92);
    assert_int_equal(c->replicas.swarm.cpus, 1500);
    assert_int_equal(c->replicas.swarm.on_exit, ON_EXIT_STOP);
}

static void check_supervision(const struct config *c)
{
    assert_int_equal(c->replicas.process.environment.count, 2);
    assert_string_equal(c->replicas.process.environment.items[1], "B=");
    assert_string_equal(c->replicas.process.directory, "/usr");
    assert_string_equal(c->replicas.process.user, "root");
    assert_string_equal(c->replicas.process.group, "0");
    assert_int_equal(c->replicas.process.output, OUTPUT_DISCARD);
    assert_int_equal(c->replicas.process.output_lines, 61);
    assert_int_equal(c->replicas.process.open_files, 62);
    assert_int_equal(c->replicas.process.memory_mib, 63);
    assert_int_equal(c->replicas.process.processes, 64);
    assert_int_equal(c->replicas.process.cpu_seconds, 65);
    assert_int_equal(c->replicas.process.file_mib, 66);
    assert_int_equal(c->replicas.slow_start_ms, 67);
    assert_string_equal(c->replicas.dns.name, "d.test");
    assert_int_equal(c->replicas.dns.port, 85);
    assert_string_equal(c->replicas.dns.server, "[::1]:53");
    assert_int_equal(c->replicas.dns.min_ttl_ms, 86);
    assert_int_equal(c->replicas.dns.max_ttl_ms, 87);
    assert_int_equal(c->replicas.dns.timeout_ms, 88);
    assert_int_equal(c->replicas.scale.target_inflight, 0);
    assert_int_equal(c->replicas.scale.min, 3);
    assert_int_equal(c->replicas.scale.max, 9);
    assert_int_equal(c->replicas.scale.cooldown_ms, 4321);
    assert_int_equal(c->replicas.n_weights, 2);
    assert_int_equal(c->replicas.weights[1], 65535);
    assert_string_equal(c->replicas.state_file, conf_path("state.json"));
    assert_int_equal(c->outlier.failures, 71);
    assert_int_equal(c->outlier.latency_factor, 7400);
    assert_int_equal(c->outlier.trials, 80);
}

static void check_values(const struct config *c)
{
    assert_int_equal(c->listen.count, 3);
    assert_string_equal(c->listen.items[2], ":7432");
    assert_int_equal(c->listen.places[1].column, 30);
    assert_string_equal(c->admin, "");
    assert_string_equal(c->plugin_dir, conf_path("my/plugins"));
    assert_string_equal(c->control_token, "s3cret");
    assert_string_equal(c->strategy.scheduler.name, conf_path("mine/scheduler_mine.so"));
    assert_string_equal(c->strategy.hash.name, "hash_quadratic");
    assert_string_equal(c->strategy.probe.name, "");
    assert_int_equal(c->strategy.n_keys, 6);
    assert_int_equal(c->strategy.keys[0].source, KEY_COOKIE);
    assert_string_equal(c->strategy.keys[0].name, "Session");
    assert_string_equal(c->strategy.keys[1].name, "x-user-id");
    assert_string_equal(c->strategy.keys[2].name, "user id");
    assert_int_equal(c->strategy.keys[5].source, KEY_CLIENT_IP);
    assert_int_equal(c->strategy.bounded_load, 1125);
    assert_int_equal(c->strategy.shadow_sample, 9);
    assert_int_equal(c->strategy.n_shadows, 2);
    assert_string_equal(c->strategy.shadows[0].name, "one");
    assert_null(c->strategy.shadows[0].scheduler.name);
    assert_string_equal(c->strategy.shadows[0].hash.name, conf_path("h.so"));
    assert_string_equal(c->strategy.shadows[0].hash.options[1].s, "x");
    assert_string_equal(c->strategy.shadows[1].probe.name, "");
    assert_int_equal(c->replicas.driver, DRIVER_STATIC);
    assert_int_equal(c->replicas.replacement, REPLACEMENT_SAME);
    assert_int_equal(c->replicas.backoff_reset_ms, 6);
    assert_int_equal(c->replicas.process.command.count, 3);
    assert_string_equal(c->replicas.process.command.items[0], conf_path("backend"));
    assert_string_equal(c->replicas.process.command.items[2], "7");
    assert_int_equal(c->replicas.process.base_port, 6001);
    check_docker_values(c);
    check_swarm_values(c);
    assert_string_equal(c->replicas.process.address, "::1");
    assert_string_equal(c->health.path, "/up?x=1");
    assert_int_equal(c->health.dead_after, 16);
    check_supervision(c);
    assert_int_equal(c->timeouts.drain, 28);
    assert_true(c->limits.body == 68719476736);
    assert_int_equal(c->limits.history, 37);
    assert_int_equal(c->retry.attempts, 41);
    assert_int_equal(c->upstream.idle_ms, 52);
    check_log(c);
}

static void test_values(void **state)
{
    (void)state;
    struct config *c = load_everything();
    check_values(c);
    check_clients(c);
    config_release(c);
}

static void test_options_of_plugins(void **state)
{
    (void)state;
    struct config *c = load_everything();
    const struct config_plugin *scheduler = &c->strategy.scheduler, *hash = &c->strategy.hash;
    assert_int_equal(scheduler->n_options, 2);
    assert_string_equal(scheduler->options[0].name, "slots");
    assert_int_equal(scheduler->options[0].type, CONFIG_INT);
    assert_true(scheduler->options[0].i == 4294967296 && scheduler->options[0].f == 4294967296.0);
    assert_int_equal(scheduler->options[0].place.line, 6);
    assert_int_equal(scheduler->options[0].place.column, 35);
    assert_string_equal(scheduler->options[0].place.file, c->path);
    assert_int_equal(scheduler->options_place.column, 25);
    assert_int_equal(scheduler->options[1].type, CONFIG_TEXT);
    assert_string_equal(scheduler->options[1].s, "a \"b\" \\ \n \x01 \xc3\xbc");

    assert_int_equal(hash->n_options, 7);
    assert_int_equal(hash->place.line, 4);
    assert_int_equal(hash->options[0].type, CONFIG_FLOAT);
    assert_true(hash->options[0].f == 0.1 && hash->options[1].f == 1.0 && hash->options[2].f == -2.5e-300);
    assert_true(hash->options[3].i == -1 && hash->options[3].f == -1.0);
    assert_int_equal(hash->options[4].i, 16);
    assert_int_equal(hash->options[5].type, CONFIG_BOOL);
    assert_int_equal(hash->options[5].i, 1);
    assert_int_equal(hash->options[6].i, 0);
    assert_true(c->strategy.probe.options[0].i == INT64_MAX);
    config_release(c);
}

static void test_members(void **state)
{
    (void)state;
    struct config *c = load_everything();
    const struct config_member *m = c->replicas.members;
    assert_int_equal(c->replicas.n_members, 5);
    assert_string_equal(m[0].address, "10.0.0.1:80");
    assert_int_equal(m[0].weight, 1);
    assert_null(m[0].name);
    assert_int_equal(m[0].place.line, 15);
    assert_string_equal(m[1].address, "[fd00::1]:81");
    assert_string_equal(m[2].address, "10.0.0.2:80");
    assert_int_equal(m[3].weight, 65535);
    assert_string_equal(m[4].name, "big one");
    assert_int_equal(m[4].place.line, 17);
    config_release(c);
}

/* ------------------------------------------------------------------ files and paths */

static void test_includes(void **state)
{
    (void)state;
    conf_write("parts/hash.conf", "hash = \"./mine.so\"; # no newline at the end");
    conf_write("parts/more.conf", "strategy = {\n\t@include \"hash.conf\" probe = \"../probe.so\";\n};\n"
                                  "plugin_dir = \"plugins\";\n");
    struct config *c = conf_load(
        "workers = 1;\n/* @include \"nowhere\" */\n  @include \"parts/more.conf\"\nretry = { attempts = 2; };\n");
    assert_string_equal(c->strategy.hash.name, conf_path("parts/mine.so"));
    assert_string_equal(c->strategy.hash.place.file, conf_path("parts/hash.conf"));
    assert_int_equal(c->strategy.hash.place.column, 8);
    assert_string_equal(c->strategy.probe.name, conf_path("probe.so"));
    assert_int_equal(c->strategy.probe.place.line, 2);
    assert_int_equal(c->strategy.probe.place.column, 31);
    assert_string_equal(c->plugin_dir, conf_path("parts/plugins"));
    assert_int_equal(c->retry.attempts, 2);
    assert_string_equal(c->files[0], conf_path("lb.conf"));
    assert_string_equal(c->files[1], conf_path("parts/more.conf"));
    assert_string_equal(c->files[2], conf_path("parts/hash.conf"));
    assert_null(c->files[3]);
    config_release(c);
}

static void test_mistakes_in_includes(void **state)
{
    (void)state;
    conf_write("a.conf", "health = {\n  interval_ms = 1;\n};\n");
    char *said = conf_complaints(
        conf_write("lb.conf", "workers = 99;\n@include \"a.conf\"\nworkers = 1; helth = { };\n"));
    assert_string_equal(
        said, "lb.conf:1:11: workers must be 0 to 64, not 99\n"
              "lb.conf:3:1: \"workers\" is set twice | it first stands at lb.conf:1:1, and that one counts\n"
              "lb.conf:3:14: unknown option \"helth\" | did you mean \"health\"?\n"
              "a.conf:2:17: health.interval_ms must be 10 to 86400000 ms, not 1\n");
    free(said);
    said = conf_complaints(conf_write("lb.conf", "\n @include \"none.conf\"\n"));
    assert_string_equal(said, "lb.conf:2:11: cannot include \"none.conf\": No such file or directory\n");
    free(said);
    said = conf_complaints(conf_write("lb.conf", "@include \"lb.conf\"\n"));
    assert_string_equal(said, "lb.conf:1:10: cannot include \"lb.conf\": it would include itself\n");
    free(said);
    conf_write("b.conf", "health = {");
    said = conf_complaints(conf_write("lb.conf", "@include \"b.conf\"\n"));
    assert_non_null(strstr(said, "the bracket that opens in line 1 is not closed"));
    free(said);
    said = conf_complaints(conf_write("lb.conf", "@include \"b.conf\n"));
    assert_string_equal(said,
                        "lb.conf:1:10: the name of the include is not closed | close the name with a \"\n");
    free(said);
}

static void test_includes_nest_ten_deep(void **state)
{
    (void)state;
    for (int i = 1; i <= 10; i++) {
        char name[32], text[64];
        snprintf(name, sizeof name, "%d.conf", i);
        snprintf(text, sizeof text, "@include \"%d.conf\"\n", i + 1);
        conf_write(name, i < 9 ? text : "workers = 3;");
    }
    struct config *c = conf_load("@include \"1.conf\"\n");
    assert_int_equal(c->workers, 3);
    config_release(c);
    conf_write("9.conf", "@include \"10.conf\"\n");
    char *said = conf_complaints(conf_path("lb.conf"));
    assert_string_equal(said, "9.conf:1:10: includes nest deeper than 10 files\n");
    free(said);
}

/* Relative to the file, wherever the balancer was started and however the file was named. */
static void test_paths_start_at_the_file(void **state)
{
    (void)state;
    char *here = realpath(".", NULL);
    conf_write("conf/lb.conf", "log = { file = \"../x.log\"; }; strategy = { hash = \"h/y.so\"; };");
    char *parent = mem_text(conf_path("conf"));
    assert_int_equal(chdir(parent), 0);
    struct problems problems = { 0 };
    struct config *c = config_load("lb.conf", &problems);
    assert_non_null(c);
    assert_string_equal(c->path, "lb.conf");
    assert_string_equal(c->directory, parent);
    assert_string_equal(c->log.file, conf_path("x.log"));
    assert_string_equal(c->strategy.hash.name, conf_path("conf/h/y.so"));
    config_release(c);
    assert_int_equal(chdir(here), 0);
    free(parent);
    free(here);
}

/* ------------------------------------------------------------------ dump */

/* Loads the dump of c; both must be equal, and so must their dumps. */
static void check_round_trip(struct config *c)
{
    char *dump = conf_dump(c);
    struct config *again = conf_load(dump);
    char *changed = conf_names(config_diff(c, again, NULL));
    assert_string_equal(changed, "");
    char *second = conf_dump(again);
    assert_string_equal(second, dump);
    free(second);
    free(changed);
    free(dump);
    config_release(again);
}

static void test_a_dump_loads_again(void **state)
{
    (void)state;
    struct config *c = conf_load("");
    check_round_trip(c);
    config_release(c);
    c = load_everything();
    check_round_trip(c);
    char *dump = conf_dump(c);
    struct config *again = conf_load(dump);
    check_values(again);
    free(dump);
    config_release(again);
    config_release(c);
    c = conf_load(
        "control_from = [ ]; replicas = { static = { members = ( { address = \"1.2.3.4:5\"; weight = 2; } ); }; };"
        "strategy = { hash_options = { a = 1e22; b = 5e-324; c = 123456789.123456789; d = 100000.0; e = -0.0; }; };");
    check_round_trip(c);
    config_release(c);
}

static void test_a_weight_is_not_lost(void **state)
{
    (void)state;
    struct config *c = conf_load(
        "replicas = { static = { addresses = [ \"1.2.3.4:4\" ]; members = ( { address = \"1.2.3.4:5\"; "
        "weight = 2; }, { address = \"1.2.3.4:6\"; } ); }; };");
    char *dump = conf_dump(c);
    assert_non_null(strstr(dump, "addresses = [ \"1.2.3.4:4\" ];"));
    assert_non_null(strstr(dump, "{ address = \"1.2.3.4:5\"; weight = 2; },\n"));
    assert_non_null(strstr(dump, "{ address = \"1.2.3.4:6\"; weight = 1; }\n"));
    free(dump);
    check_round_trip(c);
    config_release(c);
}

/* ------------------------------------------------------------------ differences */

static void check_diff(const char *before, const char *after, const char *names, const char *restart)
{
    struct config *a = conf_load(before), *b = conf_load(after);
    char **waiting = NULL;
    char *changed = conf_names(config_diff(a, b, &waiting));
    assert_string_equal(changed, names);
    free(changed);
    changed = conf_names(waiting);
    assert_string_equal(changed, restart);
    free(changed);

    /* What a reload may run: the new one, but what waits is as it was. */
    struct config *merged = config_merge_running(a, b);
    assert_int_equal(merged->refs, 1);
    changed = conf_names(config_diff(merged, b, NULL));
    assert_string_equal(changed, restart);
    free(changed);
    config_release(a);
    config_release(b);
    check_round_trip(merged); /* it owns all it names: the two are gone */
    config_release(merged);
}

static void test_differences(void **state)
{
    (void)state;
    check_diff("", "", "", "");
    check_diff("", "# a comment\n\nworkers = 0;", "", "");
    check_diff("", "strategy = { hash = \"hash_quadratic\"; };", "strategy.hash", "");
    check_diff("strategy = { hash_options = { a = 1; b = 2; }; };",
               "strategy = { hash_options = { b = 2; a = 1; }; };", "", "");
    check_diff("strategy = { hash_options = { a = 1; b = 2; }; };",
               "strategy = { hash_options = { a = 1; b = 3; }; };", "strategy.hash_options", "");
    check_diff("strategy = { hash_options = { a = 1; }; };", "strategy = { hash_options = { a = 1.0; }; };",
               "strategy.hash_options", "");
    check_diff("strategy = { hash_options = { a = 1; }; };",
               "strategy = { hash_options = { a = 1; b = 1; }; };", "strategy.hash_options", "");
    check_diff("strategy = { bounded_load = 2; };", "strategy = { bounded_load = 2.0; shadow_sample = 0; };",
               "strategy.shadow_sample", "");
    const char *one = "strategy = { shadow = ( { name = \"a\"; hash = \"h\"; }, { name = \"b\"; } ); };";
    check_diff(one, one, "", "");
    check_diff(one, "strategy = { shadow = ( { name = \"a\"; hash = \"i\"; }, { name = \"b\"; } ); };",
               "strategy.shadow", "");
    check_diff(
        one,
        "strategy = { shadow = ( { name = \"a\"; hash = \"h\"; }, { name = \"b\"; hash_options = { }; } ); };",
        "strategy.shadow", "");
    check_diff(one, "strategy = { shadow = ( { name = \"a\"; hash = \"h\"; } ); };", "strategy.shadow", "");
    check_diff("health = { interval_ms = 100; };",
               "log = { level = \"warn\"; }; workers = 2; listen = [ \":80\" ];",
               "listen workers health.interval_ms log.level", "listen workers");
    check_diff("control_from = [ \"127.0.0.0/8\" ];", "control_from = [ \"127.0.0.0/9\" ];", "control_from",
               "");
    check_diff("strategy = { key = [ \"query:a\" ]; };", "strategy = { key = [ \"query:b\" ]; };",
               "strategy.key", "");
    check_diff("", "replicas = { process = { command = [ \"backend\", \"-x\" ]; base_port = 7000; }; };",
               "replicas.process.command replicas.process.base_port", "");
    check_diff(
        "replicas = { static = { addresses = [ \"1.2.3.4:5\" ]; }; };",
        "replicas = { static = { members = ( { address = \"1.2.3.4:5\"; }, { address = \"1.2.3.4:6\"; name = \"x\"; } ); }; };",
        "replicas.static.members", "");
}

/* Some options wait for a restart only together with another one: else a reload would tear them apart. */
static void test_options_that_wait_together(void **state)
{
    (void)state;
    check_diff("replicas = { driver = \"static\"; static = { addresses = [ \"1.2.3.4:5\" ]; }; };",
               "replicas = { count = 5; process = { base_port = 7000; }; };",
               "replicas.driver replicas.count replicas.process.base_port replicas.static.addresses",
               "replicas.driver replicas.count replicas.process.base_port replicas.static.addresses");
    check_diff("", "limits = { head = 9000; target = 9000; body = 1; };",
               "limits.head limits.target limits.body", "");
    check_diff("", "limits = { buffer = 32768; head = 32768; replay = 20000; body = 1; };",
               "limits.buffer limits.head limits.body limits.replay",
               "limits.buffer limits.head limits.replay");
}

static bool is_name_of(const struct config *c, const char *file)
{
    for (size_t i = 0; c->files[i]; i++) {
        if (c->files[i] == file) {
            return true;
        }
    }
    return false;
}

static void test_a_merged_one_owns_everything(void **state)
{
    (void)state;
    struct config *running = load_everything();
    struct config *next = conf_load("replicas = { max = 5; add_timeout_ms = 5; };");
    struct config *merged = config_merge_running(running, running);
    config_release(running);
    check_values(merged);
    assert_string_equal(merged->strategy.scheduler.options[1].s, "a \"b\" \\ \n \x01 \xc3\xbc");
    assert_int_equal(merged->replicas.n_members, 5);
    assert_string_equal(merged->replicas.members[4].name, "big one");
    assert_int_equal(merged->replicas.members[4].place.line, 17);
    assert_true(is_name_of(merged, merged->replicas.members[4].place.file));
    assert_true(is_name_of(merged, merged->strategy.hash.options[0].place.file));
    assert_true(is_name_of(merged, merged->strategy.hash.options_place.file));
    assert_true(is_name_of(merged, merged->strategy.shadows[0].hash.options[0].place.file));
    assert_true(is_name_of(merged, merged->listen.places[0].file));

    /* the driver waits, and with it its replicas; what is left is new */
    struct config *second = config_merge_running(merged, next);
    config_release(merged);
    config_release(next);
    assert_int_equal(second->replicas.driver, DRIVER_STATIC);
    assert_int_equal(second->replicas.n_members, 5);
    assert_int_equal(second->replicas.max, 77);
    assert_int_equal(second->replicas.add_timeout_ms, 5);
    assert_true(is_name_of(second, second->replicas.members[4].place.file));
    config_release(second);
}

static void test_everything_differs(void **state)
{
    (void)state;
    struct config *a = conf_load(""), *b = load_everything();
    b->replicas.scale.target_inflight = 4000; /* these two cannot stand beside a driver that starts nothing */
    b->replicas.spares = 2;
    char **names = config_diff(a, b, NULL), **back = config_diff(b, a, NULL);
    size_t count = 0;
    for (; names[count]; count++) {
        assert_string_equal(names[count], back[count]);
    }
    assert_null(back[count]);
    char *dump = conf_dump(a);
    size_t options = 0; /* a line of the dump with a value is one */
    for (const char *at = strstr(dump, " = "); at; at = strstr(at + 1, " = ")) {
        options += at[3] != '{' || at[4] == ' ';
    }
    assert_int_equal(count, options);
    free(dump);
    config_names_free(names);
    config_names_free(back);
    config_release(a);
    config_release(b);
}

static void test_references(void **state)
{
    (void)state;
    struct config *c = conf_load("");
    config_retain(c);
    config_release(c);
    assert_string_equal(c->admin, "127.0.0.1:9901");
    config_release(c);
}

/* ------------------------------------------------------------------ addresses */

static void test_parsing_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        unsigned port;
    } rows[] = {
        { "127.0.0.1:8001", "127.0.0.1", 8001 },
        { "0.0.0.0:0", "0.0.0.0", 0 },
        { ":5000", "0.0.0.0", 5000 },
        { "5000", "0.0.0.0", 5000 },
        { "[::1]:80", "::1", 80 },
        { "[fd00::7]:65535", "fd00::7", 65535 },
        { "localhost:80", NULL, 0 },
        { "::1:80", NULL, 0 },
        { "[::1]", NULL, 0 },
        { "127.0.0.1", NULL, 0 },
        { "127.0.0.1:", NULL, 0 },
        { "127.0.0.1:65536", NULL, 0 },
        { "127.0.0.1:-1", NULL, 0 },
        { "127.0.0.1:80x", NULL, 0 },
        { "127.0.0.1: 80", NULL, 0 },
        { "[127.0.0.1]:80", NULL, 0 },
        { "", NULL, 0 },
        { ":", NULL, 0 },
        { "[]:80", NULL, 0 },
        { "127.1:80", NULL, 0 },
        { "127.0.0.1:000080", NULL, 0 },
        { "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa]:80", NULL, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sockaddr_storage address;
        char host[INET6_ADDRSTRLEN] = "";
        unsigned len = config_parse_address(rows[i].text, &address);
        if (!rows[i].host) {
            assert_int_equal(len, 0);
            continue;
        }
        bool v6 = strchr(rows[i].host, ':') != NULL;
        assert_int_equal(len, v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)&address;
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)&address;
        inet_ntop(address.ss_family, v6 ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr, host,
                  sizeof host);
        assert_string_equal(host, rows[i].host);
        assert_int_equal(ntohs(v6 ? six->sin6_port : four->sin_port), rows[i].port);
    }
}

static void test_parsing_listeners(void **state)
{
    (void)state;
    struct sockaddr_storage address, same;
    bool proxy = true;
    unsigned len = config_parse_address("127.0.0.1:80", &same);
    assert_int_equal(config_parse_listener("127.0.0.1:80", &address, &proxy), len);
    assert_false(proxy);
    assert_int_equal(config_parse_listener("127.0.0.1:80 proxy", &address, &proxy), len);
    assert_true(proxy);
    assert_memory_equal(&address, &same, sizeof same);
    assert_int_equal(config_parse_listener("127.0.0.1:80 proxy proxy", &address, &proxy), 0);
    assert_int_equal(config_parse_listener(" proxy", &address, &proxy), 0);
    assert_int_equal(config_parse_listener("", &address, &proxy), 0);
    assert_int_equal(config_parse_listener("[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa]:80 proxy",
                                           &address, &proxy),
                     0);
}

static bool allows(const struct config *c, const char *peer)
{
    struct sockaddr_storage address;
    assert_true(config_parse_address(peer, &address) > 0);
    return config_allows_control(c, (const struct sockaddr *)&address);
}

static void test_who_may_call(void **state)
{
    (void)state;
    struct config *c = conf_load("");
    assert_true(allows(c, "127.0.0.1:1"));
    assert_true(allows(c, "127.255.3.4:1"));
    assert_true(allows(c, "[::1]:1"));
    assert_true(allows(c, "[::ffff:127.0.0.1]:1")); /* IPv4 on an IPv6 socket */
    assert_false(allows(c, "128.0.0.1:1"));
    assert_false(allows(c, "[::2]:1"));
    assert_false(allows(c, "[::ffff:10.0.0.1]:1"));
    assert_false(allows(c, "[::127.0.0.1]:1")); /* not mapped: another network */
    struct sockaddr nobody = { .sa_family = AF_UNIX };
    assert_false(config_allows_control(c, &nobody));
    config_release(c);

    c = conf_load(
        "control_from = [ \"10.1.0.0/20\", \"192.168.1.7\", \"fd00:8000::/17\", \"::ffff:172.16.0.0/108\" ];");
    assert_true(allows(c, "10.1.15.255:1"));
    assert_false(allows(c, "10.1.16.0:1"));
    assert_true(allows(c, "192.168.1.7:1"));
    assert_false(allows(c, "192.168.1.6:1"));
    assert_true(allows(c, "[fd00:ffff::1]:1"));
    assert_false(allows(c, "[fd00:7fff::1]:1"));
    assert_true(allows(c, "172.31.0.1:1"));
    assert_false(allows(c, "172.32.0.1:1"));
    assert_false(allows(c, "127.0.0.1:1"));
    config_release(c);

    c = conf_load("control_from = [ ];");
    assert_false(allows(c, "127.0.0.1:1"));
    config_release(c);
    c = conf_load("control_from = [ \"0.0.0.0/0\" ];");
    assert_true(allows(c, "8.8.8.8:1"));
    assert_false(allows(c, "[2001:db8::1]:1"));
    config_release(c);
}

int main(void)
{
#define KIT_TEST(test_) cmocka_unit_test_setup_teardown(test_, conf_open, conf_close)
    const struct CMUnitTest tests[] = {
        KIT_TEST(test_defaults),
        KIT_TEST(test_values),
        KIT_TEST(test_options_of_plugins),
        KIT_TEST(test_members),
        KIT_TEST(test_includes),
        KIT_TEST(test_mistakes_in_includes),
        KIT_TEST(test_includes_nest_ten_deep),
        KIT_TEST(test_paths_start_at_the_file),
        KIT_TEST(test_a_dump_loads_again),
        KIT_TEST(test_a_weight_is_not_lost),
        KIT_TEST(test_differences),
        KIT_TEST(test_a_merged_one_owns_everything),
        KIT_TEST(test_options_that_wait_together),
        KIT_TEST(test_everything_differs),
        KIT_TEST(test_references),
        cmocka_unit_test(test_parsing_listeners),
        cmocka_unit_test(test_parsing_addresses),
        KIT_TEST(test_who_may_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
