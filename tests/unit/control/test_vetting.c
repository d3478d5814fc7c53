/*
 * test_vetting.c - plugins are tried out before they serve: who passes, who is refused and with which sentence, and that
 * nothing is left of it.
 *
 * The program that tries them out is the real ringmaster.
 */
#include "unit/plugins/strategy_kit.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "control/vetting.h"
#include "world/config.h"
#include "world/plugin.h"
#include "world/strategy.h"
#include "world/vet.h"

/* A sanitizer may notice before the processor does, and ends it another way. Who loops is waited for, and briefly;
 * everybody else has an answer, however busy the machine is. */
#ifdef RM_SANITIZED
#define CRASHED    "crashed (SIG"
#define BRIEF_MS   200 /* times ten */
#define PATIENT_MS 6000
#else
#define CRASHED    "crashed (SIGSEGV)"
#define BRIEF_MS   500
#define PATIENT_MS 20000
#endif

#define BAD(name_) RM_TEST_PLUGIN_DIR "/" name_ ".so"

static const struct kit_part ring = { "scheduler_ring", "slots=512 virtual_nodes=9" };
static const struct kit_part murmur = { "hash_murmur", "" };
static const struct kit_part linear = { "probe_linear", "" };
static const struct kit_part none = { NULL, NULL };

static struct vetting *vetting;
static unsigned timeout_ms = PATIENT_MS;

static int open_vetting(void **state)
{
    (void)state;
    vetting = vetting_new(RM_BIN_DIR "/ringmaster");
    return vetting ? 0 : -1;
}

static int close_vetting(void **state)
{
    (void)state;
    vetting_free(vetting);
    assert_int_equal(plugin_count_loaded(), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child, not even a dead one */
    assert_int_equal(errno, ECHILD);
    return 0;
}

static unsigned count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* "1:1: message" of each problem, on lines of their own. */
static char *texts_of(const struct problems *problems)
{
    char *all = mem_text("");
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *p = &problems->items[i];
        char *longer = mem_format("%s%s%d:%d: %s%s%s%s", all, i ? "\n" : "", p->line, p->column, p->message,
                                  p->hint ? " [" : "", p->hint ? p->hint : "", p->hint ? "]" : "");
        free(all);
        all = longer;
    }
    return all;
}

/* What comes of the three parts: a strategy, or NULL and *said. */
static struct strategy *make(struct vetting_visit *visit, struct kit_part scheduler, struct kit_part hash,
                             struct kit_part probe, char **said)
{
    struct config *config = kit_config(RM_PLUGIN_DIR, scheduler, hash, probe);
    struct problems problems = { 0 };
    config->strategy.vet_timeout_ms = timeout_ms;
    config->strategy.vet_memory_mib = 256;
    config->replicas.count = 3;
    struct strategy *s = vetting_make(visit, config, &problems);
    assert_true(!s == (problems.count > 0));
    *said = texts_of(&problems);
    problems_free(&problems);
    kit_config_free(config);
    return s;
}

static struct strategy *make_good(struct vetting_visit *visit, struct kit_part scheduler,
                                  struct kit_part hash, struct kit_part probe)
{
    char *said;
    struct strategy *s = make(visit, scheduler, hash, probe, &said);
    if (!s)
        print_error("%s, %s, %s: %s\n", scheduler.name, hash.name, probe.name, said);
    assert_non_null(s);
    assert_non_null(s->vet);
    free(said);
    return s;
}

/* ------------------------------------------------------------------ who passes */

static void test_all_shipped(void **state)
{
    char **schedulers = plugin_names(RM_PLUGIN_DIR, "scheduler_"),
         **hashes = plugin_names(RM_PLUGIN_DIR, "hash_");
    char **probes = plugin_names(RM_PLUGIN_DIR, "probe_");
    struct vetting_visit visit = { .vetting = vetting };
    (void)state;
    for (char **name = schedulers; *name; name++)
        strategy_release(make_good(&visit, (struct kit_part){ *name, "" }, murmur, linear));
    for (char **name = hashes; *name; name++) {
        const char *options =
            strcmp(*name, "hash_siphash") == 0 ? "key=000102030405060708090a0b0c0d0e0f" : "";
        strategy_release(make_good(&visit, (struct kit_part){ "scheduler_ring", "" },
                                   (struct kit_part){ *name, options }, linear));
    }
    for (char **name = probes; *name; name++)
        strategy_release(make_good(&visit, ring, murmur, (struct kit_part){ *name, "" }));
    assert_true(visit.vet_ns > 0);
    plugin_names_free(schedulers);
    plugin_names_free(hashes);
    plugin_names_free(probes);
}

/* The assignment's ring is badly balanced, and wanted: told, not refused (CONTRACT 8). */
static void test_balance_and_reach_are_told(void **state)
{
    struct vetting_visit visit = { .vetting = vetting };
    struct strategy *s = make_good(&visit, ring, (struct kit_part){ "hash_quadratic", "" }, linear);
    const struct vet_report *r = s->vet;
    (void)state;
    assert_int_equal(r->members, 3);
    assert_int_equal(r->slots, 512);
    assert_int_equal(r->slots_reached, 87);
    assert_int_equal(r->exact, 1);
    assert_true(r->largest_share > 1.5 && r->largest_share < 3);
    assert_true(r->moved_keys >= r->moved_keys_needed && r->moved_keys <= 1);
    assert_true(r->pick_ns > 0 && r->key_ns > 0 && r->build_ms >= 0 && r->cpu_ms > 0 && r->table_bytes > 0);
    assert_int_equal(r->leaked_bytes, 0);
    assert_int_equal(r->stuck, 0);
    strategy_release(s);
}

/* More members than are ever tried; and weights, and names of any length. */
static void test_the_members_there_are(void **state)
{
    enum { N = 1000 };
    struct lb_member *members = kit_members(N);
    struct vetting_visit visit = { .vetting = vetting, .members = members, .n_members = N };
    (void)state;
    struct strategy *s = make_good(&visit, (struct kit_part){ "scheduler_ring", "" }, murmur, linear);
    assert_int_equal(s->vet->members, VET_MEMBERS);
    strategy_release(s);
    visit.n_members = 2;
    members[0].weight = 7;
    s = make_good(&visit, (struct kit_part){ "scheduler_round_robin", "" }, none, none);
    assert_int_equal(s->vet->members, 3);
    assert_true(s->vet->moved_keys < 0);
    assert_int_equal(s->vet->slots, 0);
    strategy_release(s);
    kit_members_free(members, N);
}

static void test_talk_is_no_verdict(void **state)
{
    struct vetting_visit visit = { .vetting = vetting };
    (void)state;
    strategy_release(make_good(&visit, ring, (struct kit_part){ BAD("hash_talks"), "" }, linear));
}

#ifndef RM_SANITIZED
static void test_stuck_is_told(void **state)
{
    struct vetting_visit visit = { .vetting = vetting };
    (void)state;
    struct strategy *s = make_good(&visit, ring, (struct kit_part){ BAD("hash_nodelete"), "" }, linear);
    assert_int_equal(s->vet->stuck, 1u << PART_HASH);
    strategy_release(s);
}
#endif

/* ------------------------------------------------------------------ who is refused */

static const struct {
    const char *name, *said; /* after the path, and before what still runs */
    const char *where;       /* NULL: said says it all */
} bad[] = {
    { "hash_crash_in_entry", CRASHED, " while it was loaded" },
    { "hash_not_pure", "gives the key \"668280\" another number when asked again; key must be pure", NULL },
    { "hash_by_address",
      "puts copy 15 of member \"Server 24\" somewhere else when asked again; place must be pure", NULL },
    { "hash_reads_on", CRASHED, " in key" },
    { "hash_long_ops",
      "its struct lb_hash_ops is 4096 bytes, and ABI 1.0 has only 48; set struct_size with sizeof", NULL },
    { "probe_outside",
      "names slot 513 of a ring that has 512 (at home 0, attempt 1); at must answer with 0 to slots - 1",
      NULL },
    { "scheduler_crash_in_pick", CRASHED, " in pick, with 3 members" },
    { "scheduler_loop_in_build", "it was still in build, with 3 members; it loops", NULL },
    { "scheduler_loop_in_place", "it was still in build, with 3 members; it loops", NULL },
    { "scheduler_loop_in_pick", "it was still in pick, with 3 members; it loops", NULL },
    { "scheduler_sleeps", "it was still in build, with 3 members; it loops", NULL },
    { "scheduler_allocation_bomb", "took more than 256 MiB of memory in build", NULL },
    { "scheduler_out_of_range", "picks member 3, and there are 3 (0 to 2, or LB_NONE)", NULL },
    { "scheduler_not_deterministic", "with the same members, load and random state pick must answer alike",
      NULL },
    { "scheduler_digest_of_chance",
      "builds another table over the same 3 members when asked again (the digests differ); build must be deterministic",
      NULL },
    { "scheduler_returns_tried", "again, which is tried, while", NULL },
    { "scheduler_gives_up", "picks nobody (LB_NONE) while", NULL },
    { "scheduler_scratch_overrun", "writes past its scratch, which is 24 bytes, in pick", NULL },
    { "scheduler_wrong_bytes", "inspect says its table is 16 bytes, and build took 100000", NULL },
    { "scheduler_wrong_shares",
      "inspect gives shares that add up to 1.500000 over 3 members; they must add up to 1", NULL },
    { "scheduler_inspect_overrun", "writes past struct lb_inspect in inspect, which is", NULL },
    { "scheduler_keeps_members", CRASHED, " in pick, with 3 members" },
    { "scheduler_exits", "ended the process with exit code 0 in pick, with 3 members; a plugin returns",
      NULL },
    { "scheduler_refuses",
      "refuses an empty membership, and that is how every balancer begins: scheduler_refuses refuses "
      "to build and gives no reason",
      NULL },
};

/* The name says which part it is; the others are sound. */
static struct strategy *make_with(struct vetting_visit *visit, const char *path, char **said)
{
    const struct kit_part it = { path, "" };
    const char *name = strrchr(path, '/') + 1;
    if (strncmp(name, "hash_", 5) == 0)
        return make(visit, ring, it, linear, said);
    if (strncmp(name, "probe_", 6) == 0)
        return make(visit, ring, murmur, it, said);
    return make(visit, it, murmur, linear, said);
}

static bool is_one_sentence(const char *said)
{
    return said[0] && !strchr(said, '\n') && said[strlen(said) - 1] != '.';
}

static void check_refusal(size_t i, bool has_old)
{
    struct vetting_visit visit = { .vetting = vetting, .has_old = has_old };
    char *path = mem_format("%s/%s.so", RM_TEST_PLUGIN_DIR, bad[i].name), *said;
    const char *ending = "; the strategy before still runs";
    timeout_ms = strstr(bad[i].said, "it loops") ? BRIEF_MS : PATIENT_MS;
    assert_null(make_with(&visit, path, &said));
    timeout_ms = PATIENT_MS;
    bool ends_so = strlen(said) > strlen(ending) && strcmp(said + strlen(said) - strlen(ending), ending) == 0;
    bool is_right = strstr(said, path) && strstr(said, bad[i].said) && is_one_sentence(said);
    is_right = is_right && (!bad[i].where || strstr(said, bad[i].where));
    bool is_mistake = strcmp(bad[i].name, "hash_long_ops") == 0; /* found by reading, not by trying */
    if (!is_right || ends_so != (has_old && !is_mistake))
        print_error("%s: said \"%s\"\n", bad[i].name, said);
    assert_true(is_right);
    assert_int_equal(ends_so, has_old && !is_mistake);
    assert_true(visit.vet_ns > 0);
    assert_int_equal(plugin_count_loaded(), 0);
    free(said);
    free(path);
}

static void test_refusals(void **state)
{
    unsigned descriptors = count_descriptors();
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refusal(i, i % 2);
    assert_int_equal(count_descriptors(), descriptors);
}

/* A ring without room for the members that are there cannot serve; before there are any, it is let in. */
static void test_members_that_do_not_fit(void **state)
{
    const struct kit_part small = { "scheduler_ring", "slots=16 virtual_nodes=6" };
    struct lb_member *members = kit_members(3);
    struct vetting_visit visit = { .vetting = vetting, .members = members, .n_members = 3 };
    struct vetting_visit early = { .vetting = vetting };
    char *said;
    (void)state;
    assert_null(make(&visit, small, murmur, linear, &said));
    assert_non_null(strstr(said, "scheduler_ring.so: refuses the 3 members that there are: "));
    assert_non_null(strstr(said, "18 virtual nodes"));
    free(said);
    struct strategy *s = make_good(&early, small, murmur, linear);
    assert_int_equal(s->vet->refused_members, 3);
    assert_int_equal(s->vet->members, 1);
    strategy_release(s);
    kit_members_free(members, 3);
}

/* What is told of mistakes, by this road and by the short one: the same. */
static void test_mistakes_are_told_as_they_were(void **state)
{
    static const struct kit_part parts[][3] = {
        { { "scheduler_ring", "slots=1 virtual_nods=5 virtual_nodes=many" },
          { "hash_murmer", "" },
          { "probe_linear", "step=true z=1" } },
        { { "scheduler_ring", "" }, { "probe_linear", "" }, { "probe_linear", "" } },
        { { "scheduler_ring", "" }, { NULL, NULL }, { NULL, NULL } },
        { { NULL, NULL }, { "hash_murmur", "" }, { "probe_linear", "" } },
        { { "scheduler_ring", "" }, { "hash_murmur", "bits=64" }, { "probe_linear", "" } },
        { { "scheduler_rign", "" }, { "hash_murmer", "" }, { "nonsense", "" } },
        { { "scheduler_ring", "" }, { BAD("hash_abi_major"), "" }, { "probe_linear", "" } },
        { { "scheduler_ring", "" }, { BAD("hash_bad_defaults"), "" }, { "probe_linear", "" } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct vetting_visit visit = { .vetting = vetting };
        char *said, *direct = kit_problems(RM_PLUGIN_DIR, parts[i][0], parts[i][1], parts[i][2]);
        assert_null(make(&visit, parts[i][0], parts[i][1], parts[i][2], &said));
        assert_string_equal(said, direct);
        free(said);
        free(direct);
    }
}

/* ------------------------------------------------------------------ what is remembered */

static void copy_with_tail(const char *to, const char *from, const char *tail)
{
    char buffer[4096];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in && out);
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0)
        assert_int_equal(fwrite(buffer, 1, n, out), n);
    fputs(tail, out);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static bool is_vetted(struct kit_part hash)
{
    struct vetting_visit visit = { .vetting = vetting };
    strategy_release(make_good(&visit, ring, hash, linear));
    return visit.vet_ns > 0;
}

static void test_who_passed_is_remembered(void **state)
{
    char path[] = "/tmp/test_vetting-XXXXXX";
    (void)state;
    close(mkstemp(path));
    copy_with_tail(path, RM_PLUGIN_DIR "/hash_murmur.so", "first");
    assert_true(is_vetted((struct kit_part){ path, "" }));
    assert_false(is_vetted((struct kit_part){ path, "" }));
    assert_true(is_vetted((struct kit_part){ path, "seed=7" }));
    assert_false(is_vetted((struct kit_part){ path, "seed=7" }));
    assert_true(is_vetted((struct kit_part){ path, "seed=8" }));
    copy_with_tail(path, RM_PLUGIN_DIR "/hash_murmur.so", "second");
    assert_true(is_vetted((struct kit_part){ path, "" }));
    copy_with_tail(path, RM_PLUGIN_DIR "/hash_murmur.so", "first");
    assert_false(is_vetted((struct kit_part){ path, "" }));
    unlink(path);
}

/* A busy machine may have been to blame. */
static void test_who_was_refused_is_asked_again(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct vetting_visit visit = { .vetting = vetting };
        char *said;
        assert_null(make_with(&visit, BAD("scheduler_gives_up"), &said));
        assert_true(visit.vet_ns > 0);
        free(said);
    }
}

/* Only what the plugins think of themselves counts when something else is wrong. */
static void test_partial(void **state)
{
    struct config *config =
        kit_config(RM_PLUGIN_DIR, ring, (struct kit_part){ "hash_murmur", "bits=64" }, linear);
    struct vetting_visit visit = { .vetting = vetting };
    struct problems problems = { 0 };
    (void)state;
    config->strategy.vet_timeout_ms = timeout_ms;
    problem_add(&problems, (struct place){ 0 }, NULL, "something else");
    assert_null(vetting_make(&visit, config, &problems));
    assert_int_equal(problems.count, 2);
    assert_non_null(strstr(problems.items[1].message, "hash_murmur refuses its options"));
    problems_free(&problems);
    kit_config_free(config);
}

/* ------------------------------------------------------------------ when it cannot be done */

static void check_program(const char *program, const char *expected)
{
    struct vetting *other = vetting_new(program);
    struct vetting_visit visit = { .vetting = other };
    char *said;
    assert_null(make(&visit, ring, murmur, linear, &said));
    if (!strstr(said, expected))
        print_error("%s: %s\n", program, said);
    assert_non_null(strstr(said, expected));
    free(said);
    vetting_free(other);
}

static void test_programs_that_try_nothing(void **state)
{
    (void)state;
    check_program("/no/such/program",
                  "the plugins cannot be vetted: cannot start the process that tries plugins out: No "
                  "such file or directory");
    check_program(
        "/bin/true",
        "the plugins cannot be vetted: the process that tries plugins out ended at once, with code 0");
}

static void *cancel_later(void *arg)
{
    struct timespec pause = { .tv_nsec = 60000000 };
    (void)arg;
    nanosleep(&pause, NULL); /* so that it lands in the middle, mostly; the test is right wherever it lands */
    vetting_cancel(vetting);
    return NULL;
}

static void test_cancelled(void **state)
{
    struct vetting_visit visit = { .vetting = vetting };
    pthread_t thread;
    char *said;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, NULL), 0);
    assert_null(make_with(&visit, BAD("scheduler_sleeps"), &said));
    assert_non_null(strstr(said, "was broken off: the balancer is leaving"));
    free(said);
    pthread_join(thread, NULL);
    vetting_cancel(vetting);
    vetting_cancel(NULL);
    assert_null(make(&visit, ring, murmur, linear, &said)); /* and every later one */
    assert_non_null(strstr(said, "was broken off"));
    free(said);
}

#define VETTED(test_) cmocka_unit_test_setup_teardown(test_, open_vetting, close_vetting)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VETTED(test_all_shipped),
        VETTED(test_balance_and_reach_are_told),
        VETTED(test_the_members_there_are),
        VETTED(test_talk_is_no_verdict),
        VETTED(test_refusals),
        VETTED(test_members_that_do_not_fit),
        VETTED(test_mistakes_are_told_as_they_were),
        VETTED(test_who_passed_is_remembered),
        VETTED(test_who_was_refused_is_asked_again),
        VETTED(test_partial),
        VETTED(test_programs_that_try_nothing),
        VETTED(test_cancelled),
#ifndef RM_SANITIZED
        VETTED(test_stuck_is_told),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
