/*
 * test_config_errors.c - what a wrong lb.conf says, and exactly where.
 *
 * In a row, the mark ~ stands in front of the byte that the error is about; it is taken out before the text is loaded.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit/world/config_kit.h"

struct row {
    const char *text, *message, *hint;
};

/* The text without its mark, and the mark's line and column. */
static char *take_mark(const char *marked, int *line, int *column)
{
    char *text = mem_text(marked);
    char *mark = strchr(text, '~');
    assert_non_null(mark);
    memmove(mark, mark + 1, strlen(mark));
    *line = *column = 1;
    for (const char *c = text; c < mark; c++) {
        *column = *c == '\n' ? 1 : *column + 1;
        *line += *c == '\n';
    }
    return text;
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int line, column;
        char *text = take_mark(rows[i].text, &line, &column);
        char *expected = mem_format("lb.conf:%d:%d: %s%s%s\n", line, column, rows[i].message,
                                    rows[i].hint ? " | " : "", rows[i].hint ? rows[i].hint : "");
        char *said = conf_complaints(conf_write("lb.conf", text));
        if (strcmp(said, expected) != 0) {
            fail_msg("%s\nsays     %sand not %s", rows[i].text, said, expected);
        }
        free(said);
        free(expected);
        free(text);
        conf_close(NULL);
        conf_open(NULL);
    }
}

#define CHECK(rows_) check_rows(rows_, sizeof rows_ / sizeof *rows_)

static void test_unknown_options(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "~wrkers = 2;", "unknown option \"wrkers\"", "did you mean \"workers\"?" },
        { "workers = 2;\n  ~nonsense = 1;", "unknown option \"nonsense\"", NULL },
        { "health = { interval_ms = 250; ~intervall = 1; };", "unknown option \"health.intervall\"",
          "did you mean \"interval_ms\"?" },
        { "health = {\n\t~unready = 2;\n};", "unknown option \"health.unready\"",
          "did you mean \"unready_after\"?" },
        { "~dead_after = 25;", "unknown option \"dead_after\"", "did you mean \"health.dead_after\"?" },
        { "limits = { ~connect = 250; };", "unknown option \"limits.connect\"",
          "did you mean \"timeouts.connect\"?" },
        { "~helath = { interval_ms = 250; };", "unknown option \"helath\"", "did you mean \"health\"?" },
        { "replicas = { ~podman = { image = \"x\"; }; };", "unknown option \"replicas.podman\"", NULL },
        { "strategy = { ~hash_option = { seed = 1; }; };", "unknown option \"strategy.hash_option\"",
          "did you mean \"hash_options\"?" },
        { "replicas = { static = { members = ( { address = \"10.0.0.1:80\"; ~wieght = 2; } ); }; };",
          "replicas.static.members: unknown field \"wieght\"", "did you mean \"weight\"?" },
    };
    CHECK(rows);
}

static void test_wrong_types(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "workers = ~\"2\";", "workers must be an integer, not text", "write it without quotes: 2" },
        { "workers = ~\"two\";", "workers must be an integer, not text", NULL },
        { "workers = ~2.0;", "workers must be an integer, not a number with a point", NULL },
        { "workers = ~true;", "workers must be an integer, not true or false", NULL },
        { "workers = ~{ };", "workers must be an integer, not a group", NULL },
        { "workers = ~[ 1 ];", "workers must be an integer, not a list", NULL },
        { "admin = ~9901;", "admin must be text, not an integer", "write it in quotes: \"9901\"" },
        { "log = { file = ~false; };", "log.file must be text, not true or false", NULL },
        { "log = { level = ~1; };", "log.level must be text, not an integer", "write it in quotes: \"1\"" },
        { "listen = ~\":5000\";", "listen must be a list, not text", "write [ \":5000\" ]" },
        { "listen = [ \":5001\", ~5000 ];", "each entry of listen must be text, not an integer",
          "write it in quotes: \"5000\"" },
        { "control_from = ( \"::1\", ~( ) );", "each entry of control_from must be text, not a list", NULL },
        { "health = ~250;", "health is a group of options, not an integer", "write health = { … };" },
        { "replicas = { process = ~[ \"x\" ]; };", "replicas.process is a group of options, not a list",
          "write process = { … };" },
        { "strategy = { hash = ~1; };", "strategy.hash must be text, not an integer",
          "write it in quotes: \"1\"" },
        { "strategy = { hash_options = ~\"x\"; };", "strategy.hash_options must be a group, not text",
          "a group is written { name = value; }" },
        { "strategy = { hash_options = { a = ~[ 1 ]; }; };",
          "strategy.hash_options.a must be a number, text, true or false, not a list", NULL },
        { "replicas = { static = { members = ( ~\"10.0.0.1:80\" ); }; };",
          "each entry of replicas.static.members must be a group, not text",
          "a group is written { name = value; }" },
        { "replicas = { static = { members = ( { address = ~80; } ); }; };",
          "replicas.static.members: address must be text, not an integer", "write it in quotes: \"80\"" },
    };
    CHECK(rows);
}

static void test_out_of_bounds(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "workers = ~65;", "workers must be 0 to 64, not 65", NULL },
        { "workers = ~-1;", "workers must be 0 to 64, not -1", NULL },
        { "health = { interval_ms = ~9; };", "health.interval_ms must be 10 to 86400000 ms, not 9", NULL },
        { "limits = { buffer = ~65536; };", "limits.buffer must be 4096 to 65535 bytes, not 65536", NULL },
        { "limits = { body = ~9223372036854775807L; };",
          "limits.body must be 0 to 1125899906842624 bytes, not 9223372036854775807", NULL },
        { "retry = { budget_percent = ~101; };", "retry.budget_percent must be 0 to 100 percent, not 101",
          NULL },
        { "replicas = { process = { base_port = ~0; }; };",
          "replicas.process.base_port must be 1 to 65535, not 0", NULL },
        { "listen = ~[ ];", "listen cannot be empty", NULL },
        { "strategy = { key = ~( ); };", "strategy.key cannot be empty", NULL },
        { "strategy = { key = ~[ \"path\", \"path\", \"path\", \"path\", \"path\", \"path\", \"path\", \"path\", \"path\", "
          "\"path\", \"path\", \"path\", \"path\", \"path\", \"path\", \"path\", \"path\" ]; };",
          "strategy.key can have at most 16 entries, not 17", NULL },
        { "health = { path = ~\"\"; };", "health.path cannot be empty", NULL },
        { "replicas = { name = ~\"1234567890123456789012345678901234567890123456789012345678901234{n}\"; };",
          "replicas.name can have at most 63 bytes, not 67", NULL },
        { "strategy = { scheduler = ~\"\"; };", "strategy.scheduler cannot be empty", NULL },
        { "replicas = { static = { members = ( { address = \"10.0.0.1:80\"; weight = ~0; } ); }; };",
          "replicas.static.members: weight must be 1 to 65535, not 0", NULL },
    };
    CHECK(rows);
}

/* DECISIONS 35: libconfig 1.5 reads 4294967296 as 0. */
static void test_integers_that_would_wrap(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "limits = { body = ~4294967296; };",
          "limits.body: 4294967296 does not fit 32 bits, and without an L at its end an integer has no more",
          "write 4294967296L" },
        { "limits = { body = ~2147483648; };",
          "limits.body: 2147483648 does not fit 32 bits, and without an L at its end an integer has no more",
          "write 2147483648L" },
        { "limits = { body = ~0xFFFFFFFF; };",
          "limits.body: 0xFFFFFFFF does not fit 32 bits, and without an L at its end an integer has no more",
          "write 0xFFFFFFFFL" },
        { "workers = ~4294967297;", "workers must be 0 to 64, not 4294967297", NULL },
        { "workers = ~18446744073709551617L;", "workers must be 0 to 64, not 18446744073709551617", NULL },
        { "workers = ~0xFFFFFFFFFFFFFFFFL;", "workers must be 0 to 64, not 0xFFFFFFFFFFFFFFFF", NULL },
        { "strategy = { scheduler_options = { slots = ~4294967296; }; };",
          "strategy.scheduler_options.slots: 4294967296 does not fit 32 bits, and without an L at its end an integer has "
          "no more",
          "write 4294967296L" },
        { "strategy = { hash_options = { a = ~-2147483649; }; };",
          "strategy.hash_options.a: -2147483649 does not fit 32 bits, and without an L at its end an integer has no more",
          "write -2147483649L" },
        { "strategy = { hash_options = { key = ~0x10000000000000000L; }; };",
          "strategy.hash_options.key: 0x10000000000000000 does not fit 64 bits", NULL },
        { "strategy = { hash_options = { a = ~1e999; }; };",
          "strategy.hash_options.a is too large for a number", NULL },
    };
    CHECK(rows);
    config_release(conf_load("limits = { body = 4294967296L; };"));
    config_release(conf_load("limits = { body = 2147483647; };"));
    config_release(conf_load("limits = { body = 1L; };"));
}

static void test_words_and_names(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "replicas = { driver = ~\"proces\"; };",
          "replicas.driver cannot be \"proces\": it is \"process\", \"static\", \"docker\", \"dns\" or \"swarm\"",
          "did you mean \"process\"?" },
        { "replicas = { driver = ~\"podman\"; };",
          "replicas.driver cannot be \"podman\": it is \"process\", \"static\", \"docker\", \"dns\" or \"swarm\"",
          NULL },
        { "replicas = { docker = { engine = ~\"/var/run/docker.sock\"; }; };",
          "replicas.docker.engine: \"/var/run/docker.sock\" is no address of an engine",
          "for example \"unix:///var/run/docker.sock\" or \"tcp://10.0.0.7:2375\"" },
        { "replicas = { docker = { engine = ~\"tcp://10.0.0.7\"; }; };",
          "replicas.docker.engine: \"tcp://10.0.0.7\" has no port",
          "for example \"unix:///var/run/docker.sock\" or \"tcp://10.0.0.7:2375\"" },
        { "replicas = { docker = { instance = ~\"a b\"; }; };",
          "replicas.docker.instance: \"a b\" cannot be the name of an instance",
          "it begins with a letter or digit; then letters, digits and _ . -" },
        { "replicas = { docker = { network = ~\"host\"; }; };",
          "replicas.docker.network: \"host\" gives replicas no address of their own",
          "make one: docker network create ringmaster" },
        { "replicas = { docker = { cpus = ~0.01; }; };",
          "replicas.docker.cpus must be 0 or 0.1 to 1024.0, not 0.01", NULL },
        { "log = { level = ~\"warning\"; };",
          "log.level cannot be \"warning\": it is \"debug\", \"info\", \"warn\" or \"error\"", NULL },
        { "log = { level = ~\"eror\"; };",
          "log.level cannot be \"eror\": it is \"debug\", \"info\", \"warn\" or \"error\"",
          "did you mean \"error\"?" },
        { "strategy = { key = [ \"path\", ~\"qeury:id\" ]; };",
          "strategy.key: \"qeury:id\" is none of query:NAME, header:NAME, cookie:NAME, path, uri, client_ip, random",
          "did you mean \"query:id\"?" },
        { "strategy = { key = [ ~\"query\" ]; };", "strategy.key: \"query\" lacks its name",
          "write \"query:NAME\"" },
        { "strategy = { key = [ ~\"header:\" ]; };", "strategy.key: \"header:\" lacks its name",
          "write \"header:NAME\"" },
        { "strategy = { key = [ ~\"header:a b\" ]; };",
          "strategy.key: \"header:a b\" has a name with characters that cannot stand in one", NULL },
        { "strategy = { key = [ ~\"path:x\" ]; };", "strategy.key: \"path:x\" takes no name",
          "write \"path\"" },
        { "strategy = { hash = ~\"hash_murmur.so\"; };",
          "strategy.hash: plugins of plugin_dir are named without .so",
          "write \"hash_murmur\", or a path with a slash" },
        { "replicas = { name = ~\"Server\"; };",
          "replicas.name: \"Server\" lacks the {n} that tells one replica from the other",
          "for example \"Server {n}\"" },
        { "replicas = { name = ~\"{n}{n}\"; };", "replicas.name: \"{n}{n}\" has {n} more than once", NULL },
        { "replicas = { name = ~\"a/{n}\"; };",
          "replicas.name: \"a/{n}\" has a character that names do not have",
          "a name is made of letters, digits, space and _ - . @" },
        { "replicas = { name = ~\"12345678901234567890123456789012345678901234{n}x\"; };",
          "replicas.name: \"12345678901234567890123456789012345678901234{n}x\" is too long: a name with its number has 63 "
          "characters",
          NULL },
        { "health = { path = ~\"heartbeat\"; };", "health.path: \"heartbeat\" does not begin with a /",
          "for example \"/heartbeat\"" },
        { "health = { path = ~\"/a b\"; };",
          "health.path: \"/a b\" has a character that must be percent-encoded", NULL },
        { "upgrade = [ \"*\", ~\"web socket\" ];",
          "upgrade: \"web socket\" has a character that names of protocols do not have",
          "for example \"websocket\", or \"*\" for all" },
        { "upgrade = [ ~\"a/\" ];", "upgrade: \"a/\" is no name of a protocol",
          "for example \"websocket\", or \"*\" for all" },
        { "upgrade = [ ~\"a/b/c\" ];", "upgrade: \"a/b/c\" has more than one slash",
          "for example \"websocket\", or \"*\" for all" },
        { "control_token = ~\"a b\";",
          "control_token: \"a b\" has a blank or a character that cannot stand in a header field", NULL },
    };
    CHECK(rows);
}

static void test_addresses_and_networks(void **state)
{
    (void)state;
    static const char numbers[] =
        "numbers only: \"0.0.0.0:5000\", \"127.0.0.1:5000\", \"[::]:5000\" or \":5000\"";
    static const char listeners[] =
        "numbers only: \"0.0.0.0:5000\", \"127.0.0.1:5000\", \"[::]:5000\" or \":5000\"; behind it \" proxy\" or nothing";
    const struct row rows[] = {
        { "listen = [ ~\"localhost:80\" ];", "listen: \"localhost:80\" is no address with a port",
          listeners },
        { "listen = [ \":80\", ~\"1.2.3:80\" ];", "listen: \"1.2.3:80\" is no address with a port",
          listeners },
        { "listen = [ ~\":80 PROXY\" ];", "listen: \":80 PROXY\" is no address with a port", listeners },
        { "listen = [ ~\":80  proxy\" ];", "listen: \":80  proxy\" is no address with a port", listeners },
        { "listen = [ ~\":0 proxy\" ];", "listen: \":0 proxy\" has port 0; a port is 1 to 65535", NULL },
        { "listen = [ \":80\", ~\":80 proxy\" ];", "listen: \":80 proxy\" stands twice", NULL },
        { "admin = ~\":80 proxy\";", "admin: \":80 proxy\" is no address with a port", numbers },
        { "proxy_from = [ ~\"all\" ];", "proxy_from: \"all\" is no address and no network",
          "write \"10.0.0.0/8\", \"192.168.1.7\" or \"fd00::/8\"" },
        { "trust_forwarded = [ ~\"*\" ];", "trust_forwarded: \"*\" is no address and no network",
          "write \"10.0.0.0/8\", \"192.168.1.7\" or \"fd00::/8\"" },
        { "listen = [ ~\"127.0.0.1:0\" ];", "listen: \"127.0.0.1:0\" has port 0; a port is 1 to 65535",
          NULL },
        { "listen = [ \":80\", \":81\", ~\"0.0.0.0:80\" ];", "listen: \"0.0.0.0:80\" stands twice", NULL },
        { "admin = ~\"127.0.0.1\";", "admin: \"127.0.0.1\" is no address with a port", numbers },
        { "listen = [ \":80\" ]; admin = ~\"80\";", "admin and listen cannot both have \":80\"", NULL },
        { "listen = ~[ \"127.0.0.1:9901\" ];", "admin and listen cannot both have \"127.0.0.1:9901\"", NULL },
        { "control_from = [ \"::1\", ~\"10.0.0.0/33\" ];",
          "control_from: \"10.0.0.0/33\" has a wrong number of bits after the slash", "0 to 32 bits" },
        { "control_from = [ ~\"fd00::/129\" ];",
          "control_from: \"fd00::/129\" has a wrong number of bits after the slash", "0 to 128 bits" },
        { "control_from = [ ~\"10.0.0.0/\" ];",
          "control_from: \"10.0.0.0/\" has a wrong number of bits after the slash", "0 to 32 bits" },
        { "control_from = [ ~\"10.0.0.7/8\" ];", "control_from: \"10.0.0.7/8\" has bits set behind its slash",
          "did you mean \"10.0.0.0/8\"?" },
        { "control_from = [ ~\"fd00::1/64\" ];", "control_from: \"fd00::1/64\" has bits set behind its slash",
          "did you mean \"fd00::/64\"?" },
        { "control_from = [ ~\"compose\" ];", "control_from: \"compose\" is no address and no network",
          "write \"10.0.0.0/8\", \"192.168.1.7\" or \"fd00::/8\"" },
        { "replicas = { process = { address = ~\"127.0.0.1:80\"; }; };",
          "replicas.process.address: \"127.0.0.1:80\" is no address",
          "numbers only, without a port: \"127.0.0.1\" or \"::1\"" },
        { "replicas = { static = { addresses = [ \"10.0.0.1:80\", ~\":80\" ]; }; };",
          "replicas.static.addresses: \":80\" is no address to connect to",
          "name the host too: \"127.0.0.1:8001\"" },
        { "replicas = { static = { addresses = [ ~\"web1:80\" ]; }; };",
          "replicas.static.addresses: \"web1:80\" is no address with a port",
          "numbers only: \"10.0.0.7:8001\" or \"[fd00::7]:8001\"" },
        { "replicas = { static = { members = ( { address = ~\"[::]:80\"; } ); }; };",
          "replicas.static.members: address: \"[::]:80\" is no address to connect to",
          "name the host too: \"127.0.0.1:8001\"" },
    };
    CHECK(rows);
}

static void test_spares_that_cannot_be(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "replicas = { driver = \"swarm\"; spares = ~1; };",
          "replicas.spares: only the drivers \"process\" and \"docker\" start replicas", "leave it out" },
        { "replicas = { spares = ~1; replacement = \"same\"; };",
          "replicas.spares: a spare runs before it is known whom it replaces, so it cannot have the name of the dead one "
          "(replicas.replacement = \"same\")",
          "write replacement = \"emergency\"" },
        { "replicas = { max = 4; spares = ~5; };", "replicas.spares (5) must not be above replicas.max (4)",
          NULL },
        { "replicas = { process = { base_port = ~65530; }; spares = 4; };",
          "from port 65530 up there is no room for 7 replicas", NULL },
    };
    CHECK(rows);
}

static void test_options_that_do_not_go_together(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "replicas = { count = ~5; max = 4; };", "replicas.count (5) must not be above replicas.max (4)",
          NULL },
        { "replicas = { count = ~5000; };", "replicas.count (5000) must not be above replicas.max (4096)",
          "replicas.max has its default; write it too" },
        { "replicas = { max = ~2; };", "replicas.count (3) must not be above replicas.max (2)",
          "replicas.count has its default; write it too" },
        { "replicas = { backoff_min_ms = ~20000; };",
          "replicas.backoff_min_ms (20000) must not be above replicas.backoff_max_ms (10000)",
          "replicas.backoff_max_ms has its default; write it too" },
        { "health = { dead_after = 3; unready_after = ~4; };",
          "health.unready_after (4) must not be above health.dead_after (3)", NULL },
        { "limits = { buffer = 8192; replay = 0; head = ~8193; };",
          "limits.head (8193) must not be above limits.buffer (8192)", NULL },
        { "limits = { target = ~5000; head = 4096; };",
          "limits.target (5000) must not be above limits.head (4096)", NULL },
        /* one mistake is told once: a refused value is not held against others */
        { "limits = { buffer = 4096; head = ~99; target = 256; replay = 0; };",
          "limits.head must be 1024 to 65535 bytes, not 99", NULL },
        { "limits = { replay = ~16385; };", "limits.replay (16385) must not be above limits.buffer (16384)",
          "limits.buffer has its default; write it too" },
        { "replicas = { process = { base_port = ~65534; }; };",
          "from port 65534 up there is no room for 3 replicas", NULL },
        { "replicas = { driver = ~\"static\"; };",
          "the driver \"static\" has no replicas: both static.addresses and static.members are empty",
          "write replicas = { static = { addresses = [ \"127.0.0.1:8001\" ]; }; };" },
        { "replicas = { driver = \"static\"; scale = { target_inflight = ~4.0; };"
          " static = { addresses = [ \"10.0.0.1:80\" ]; }; };",
          "the driver \"static\" starts no replicas, so it cannot scale", NULL },
        { "replicas = { driver = \"swarm\"; scale = { target_inflight = ~4.0; }; };",
          "each balancer of a swarm sees only its own load, so the driver \"swarm\" cannot scale", NULL },
        { "replicas = { driver = \"swarm\"; state_file = ~\"state\"; };",
          "with the driver \"swarm\" the membership is kept by Swarm, not in a file", "leave it out" },
        { "replicas = { scale = { target_inflight = 0.5; max = ~2; }; };",
          "replicas.count (3) must not be above replicas.scale.max (2)",
          "replicas.count has its default; write it too" },
        { "replicas = { driver = \"dns\"; dns = { name = \"a.test\"; }; scale = { target_inflight = ~4.0; }; };",
          "the driver \"dns\" starts no replicas, so it cannot scale", NULL },
        { "replicas = { driver = ~\"dns\"; };",
          "the driver \"dns\" has no name to look for: dns.name is empty",
          "write replicas = { dns = { name = \"backend.default.svc.cluster.local\"; }; };" },
        { "replicas = { dns = { min_ttl_ms = ~20; max_ttl_ms = 19; }; };",
          "replicas.dns.min_ttl_ms (20) must not be above replicas.dns.max_ttl_ms (19)", NULL },
        { "replicas = { dns = { server = ~\"ns.test:53\"; }; };",
          "replicas.dns.server: \"ns.test:53\" is no address with a port",
          "numbers only: \"10.0.0.7:8001\" or \"[fd00::7]:8001\"" },
        { "replicas = { count = 6; scale = { target_inflight = 0.5; min = ~7; max = 9; }; };",
          "replicas.scale.min (7) must not be above replicas.count (6)", NULL },
        { "replicas = { max = 9; scale = { target_inflight = 4.0; max = ~10; }; };",
          "replicas.scale.max (10) must not be above replicas.max (9)", NULL },
        { "replicas = { process = { base_port = ~65530; }; scale = { target_inflight = 4.0; max = 7; }; };",
          "from port 65530 up there is no room for 7 replicas", NULL },
        { "replicas = { count = 1; max = 1; static = { addresses = ~[ \"10.0.0.1:80\", \"10.0.0.2:80\" ]; }; };",
          "replicas.static names 2 replicas, and replicas.max is 1", NULL },
        { "replicas = { static = { members = ( { address = \"10.0.0.1:80\"; name = \"a\"; },\n"
          "                                    ~{ address = \"10.0.0.2:80\"; name = \"a\"; } ); }; };",
          "two replicas are called \"a\"", NULL },
        { "replicas = { static = { members = ( { address = \"10.0.0.1:80\"; name = \"Server 2\"; },\n"
          "                                    ~{ address = \"10.0.0.2:80\"; } ); }; };",
          "two replicas are called \"Server 2\"",
          "one without a name is called \"Server N\" by its position" },
        { "replicas = { static = { members = ( ~{ name = \"a\"; } ); }; };",
          "replicas.static.members: a member needs an address", "write { address = \"127.0.0.1:8001\"; }" },
        { "replicas = { static = { members = ( { address = \"10.0.0.1:80\"; name = ~\"a/b\"; } ); }; };",
          "replicas.static.members: name: \"a/b\" has a character that names do not have",
          "a name is made of letters, digits, space and _ - . @" },
    };
    CHECK(rows);
}

static void test_the_program_of_a_replica(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "replicas = { process = { command = [ ~\"./nowhere\", \"x\" ]; }; };",
          "replicas.process.command: there is no program \"nowhere\"", NULL },
        { "replicas = { process = { command = [ ~\"no-such-program\" ]; }; };",
          "replicas.process.command: there is no program \"no-such-program\" beside ringmaster or in PATH",
          "a path is relative to the file that names it" },
        { "replicas = { process = { command = [ ~\"\" ]; }; };",
          "replicas.process.command: there is no program \"\" beside ringmaster or in PATH",
          "a path is relative to the file that names it" },
        { "replicas = { process = { command = ~[ ]; }; };", "replicas.process.command cannot be empty",
          NULL },
    };
    CHECK(rows);
    config_release(conf_load("replicas = { driver = \"static\"; process = { command = [ \"./nowhere\" ]; };"
                             "static = { addresses = [ \"127.0.0.1:80\" ]; }; };"));
}

static void test_syntax(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "workers ~2;", "syntax error: expected '=' after \"workers\", found '2'", NULL },
        { "workers = ~;", "syntax error: expected a value, found ';'", NULL },
        { "workers = 2;~;", "syntax error: expected the name of a setting, found ';'",
          "one ';' ends a setting" },
        { "~= 2;", "syntax error: expected the name of a setting, found '='", NULL },
        { "workers = 2;\n~}", "syntax error: expected the name of a setting, found '}'", NULL },
        { "workers = ~two;", "syntax error: expected a value, found 'two'",
          "text is written in quotes: \"two\"" },
        { "a = ~yes;", "syntax error: expected a value, found 'yes'", "write true or false" },
        { "a = ~'x';", "syntax error: expected a value, found '''", "text is written in \" quotes" },
        { "a = ~“x”;", "syntax error: expected a value, found '“'", "text is written in \" quotes" },
        { "health = { interval_ms = ~250ms; };", "syntax error: '250ms' is no number",
          "units are not written: the name of the option says which it is" },
        { "workers = ~010;", "syntax error: '010' could be read as octal", "leave out the leading 0" },
        { "listen = [ \":80\", ~];", "syntax error: expected a value, found ']'",
          "leave out the comma before it" },
        { "listen = [ ~[ ] ];", "syntax error: expected a number, text, true or false, found '['",
          "lists of groups or lists are written ( … )" },
        { "listen = ( \":80\"~; );", "syntax error: expected ',' or ')', found ';'", NULL },
        { "health = {\n  interval_ms = 250;\n~",
          "syntax error: expected the name of a setting or '}', found the end of the file",
          "the bracket that opens in line 1 is not closed" },
        { "log = { file = ~\"x; };\nworkers = 2;", "the text is not closed",
          "close it with a \" on the same line" },
        { "workers = 2; ~/* and so on", "the comment is not closed", "close it with */" },
        { "workers = 2; ~@include \"x\"", "syntax error: expected the name of a setting, found '@'",
          "an include stands first on its line: @include \"file\"" },
        { "a = \"x~\\x00\";", "syntax error: a text cannot hold a zero byte", NULL },
        { "~\xff = 1;", "syntax error: expected the name of a setting, found '?'", NULL },
        { "~\x01", "syntax error: expected the name of a setting, found byte 0x01", NULL },
    };
    CHECK(rows);
}

/* The places once more, in numbers a person has counted. */
static void test_places_counted_by_hand(void **state)
{
    (void)state;
    char *said =
        conf_complaints(conf_write("lb.conf", "# one\n"
                                              "/* two\n"
                                              "   three */ workers = 65;\n"
                                              "strategy =\n"
                                              "{\n"
                                              "\thash_options : { x = 1, y = (2) } key = [\"path\",\n"
                                              "  \"pth\"]\n"
                                              "}\r\n"
                                              "lisen = [ ]\r\n"));
    assert_string_equal(
        said,
        "lb.conf:3:23: workers must be 0 to 64, not 65\n"
        "lb.conf:6:30: strategy.hash_options.y must be a number, text, true or false, not a list\n"
        "lb.conf:7:3: strategy.key: \"pth\" is none of query:NAME, header:NAME, cookie:NAME, path, uri, "
        "client_ip, random | did you mean \"path\"?\n"
        "lb.conf:9:1: unknown option \"lisen\" | did you mean \"listen\"?\n");
    free(said);
}

/* Twice the same, wrong both times, beside other mistakes: all are told, in the order of the file. */
static void test_all_at_once(void **state)
{
    (void)state;
    char *said = conf_complaints(conf_write("lb.conf",
                                            "health = { interval_ms = 1; interval_ms = 2; intervall = 3; };\n"
                                            "listen = [ 5000, \"x\", \":80\" ];\n"
                                            "health = { path = \"/a\"; };\n"
                                            "workers = 100;\n"
                                            "limits = { body = 4294967296; };\n"));
    assert_string_equal(
        said,
        "lb.conf:1:26: health.interval_ms must be 10 to 86400000 ms, not 1\n"
        "lb.conf:1:29: \"interval_ms\" is set twice | it first stands at lb.conf:1:12, and that one counts\n"
        "lb.conf:1:46: unknown option \"health.intervall\" | did you mean \"interval_ms\"?\n"
        "lb.conf:2:12: each entry of listen must be text, not an integer | write it in quotes: \"5000\"\n"
        "lb.conf:2:18: listen: \"x\" is no address with a port | numbers only: \"0.0.0.0:5000\", "
        "\"127.0.0.1:5000\", \"[::]:5000\" or \":5000\"; behind it \" proxy\" or nothing\n"
        "lb.conf:3:1: \"health\" is set twice | it first stands at lb.conf:1:1, and that one counts\n"
        "lb.conf:4:11: workers must be 0 to 64, not 100\n"
        "lb.conf:5:19: limits.body: 4294967296 does not fit 32 bits, and without an L at its end an "
        "integer has no more | write 4294967296L\n");
    free(said);
}

static void test_ratios_and_candidates(void **state)
{
    (void)state;
    char *said = conf_complaints(conf_write("lb.conf", "strategy = { bounded_load = 0.5; };"));
    assert_string_equal(said, "lb.conf:1:29: strategy.bounded_load must be 0 or 1.0 to 100.0, not 0.5\n");
    free(said);
    said = conf_complaints(conf_write("lb.conf", "strategy = { bounded_load = 1.2345; };"));
    assert_string_equal(said, "lb.conf:1:29: strategy.bounded_load can have three decimals, not more\n");
    free(said);
    said = conf_complaints(conf_write("lb.conf", "strategy = { bounded_load = 100.001; };"));
    assert_string_equal(said, "lb.conf:1:29: strategy.bounded_load must be 0 or 1.0 to 100.0, not 100.001\n");
    free(said);
    said = conf_complaints(conf_write("lb.conf", "strategy = { bounded_load = \"2\"; };"));
    assert_string_equal(said, "lb.conf:1:29: strategy.bounded_load must be a number, not text\n");
    free(said);
    said = conf_complaints(conf_write("lb.conf", "strategy = { shadow = (\n"
                                                 "  { name = \"a\"; },\n"
                                                 "  { name = \"a\"; hahs = \"h\"; },\n"
                                                 "  { hash = \"h.so\"; },\n"
                                                 "  { name = \"/\"; scheduler = \"\"; probe_options = 3; },\n"
                                                 "  7 ); };"));
    assert_string_equal(
        said,
        "lb.conf:3:12: strategy.shadow: two candidates are called \"a\"\n"
        "lb.conf:3:17: strategy.shadow: unknown field \"hahs\" | did you mean \"hash\"?\n"
        "lb.conf:4:3: strategy.shadow: a candidate needs a name | write { name = \"…\"; … }\n"
        "lb.conf:4:12: strategy.shadow: hash: plugins of plugin_dir are named without .so | write \"h\", or a path with "
        "a slash\n"
        "lb.conf:5:12: strategy.shadow: name: \"/\" has a character that names do not have | a name is made of letters, "
        "digits, space and _ - . @\n"
        "lb.conf:5:29: strategy.shadow: scheduler cannot be empty\n"
        "lb.conf:5:49: strategy.shadow: probe_options must be a group, not an integer | a group is written { name = value; "
        "}\n"
        "lb.conf:6:3: each entry of strategy.shadow must be a group, not an integer | a group is written { name = value; }\n");
    free(said);
}

/* A caller may want the plugins' problems in the same list: then it gets what could be read. */
static void test_partial(void **state)
{
    (void)state;
    struct problems problems = { 0 };
    const char *path = conf_write("lb.conf", "workers = 65; strategy = { hash = \"hash_nowhere\"; };");
    struct config *c = config_load_partial(path, &problems);
    assert_non_null(c);
    assert_int_equal(problems.count, 1);
    assert_int_equal(c->workers, 0);
    assert_string_equal(c->strategy.hash.name, "hash_nowhere");
    assert_int_equal(c->strategy.hash.place.column, 35);
    config_release(c);
    assert_null(config_load_partial(conf_write("lb.conf", "workers 65;"), &problems));
    assert_int_equal(problems.count, 2);
    assert_null(config_load(path, &problems)); /* a list with older problems in it is added to */
    assert_int_equal(problems.count, 3);
    problems_free(&problems);
}

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    char *said = conf_complaints(conf_path("none.conf"));
    assert_string_equal(said, "none.conf:0:0: cannot read it: No such file or directory\n");
    free(said);
    said = conf_complaints(conf_path("."));
    assert_string_equal(said, ".:0:0: cannot read it: Is a directory\n");
    free(said);
    const char *path = conf_path("zero.conf");
    FILE *file = fopen(path, "w");
    fwrite("workers = 2;\0", 1, 13, file);
    fclose(file);
    said = conf_complaints(path);
    assert_string_equal(said, "zero.conf:0:0: cannot read it: it has a zero byte, so it is no text\n");
    free(said);
}

int main(void)
{
#define KIT_TEST(test_) cmocka_unit_test_setup_teardown(test_, conf_open, conf_close)
    const struct CMUnitTest tests[] = {
        KIT_TEST(test_unknown_options),
        KIT_TEST(test_wrong_types),
        KIT_TEST(test_out_of_bounds),
        KIT_TEST(test_integers_that_would_wrap),
        KIT_TEST(test_words_and_names),
        KIT_TEST(test_addresses_and_networks),
        KIT_TEST(test_options_that_do_not_go_together),
        KIT_TEST(test_spares_that_cannot_be),
        KIT_TEST(test_the_program_of_a_replica),
        KIT_TEST(test_syntax),
        KIT_TEST(test_places_counted_by_hand),
        KIT_TEST(test_all_at_once),
        KIT_TEST(test_ratios_and_candidates),
        KIT_TEST(test_partial),
        KIT_TEST(test_files_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
