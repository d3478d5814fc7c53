/*
 * test_strategy.c - composing plugins, their options, tables over members, keys and ids.
 */
#include "unit/plugins/strategy_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/plugin.h"

static const struct kit_part ring = { "scheduler_ring", "slots=512 virtual_nodes=9" };
static const struct kit_part murmur = { "hash_murmur", "" };
static const struct kit_part linear = { "probe_linear", "" };
static const struct kit_part in_turn = { "scheduler_round_robin", "" };
static const struct kit_part none = { NULL, NULL };

/* ------------------------------------------------------------------ making */

static void test_composes(void **state)
{
    struct strategy *s = kit_strategy(ring, murmur, linear);

    (void)state;
    assert_string_equal(s->scheduler->info->name, "scheduler_ring");
    assert_string_equal(s->hash->info->name, "hash_murmur");
    assert_string_equal(s->probe->info->name, "probe_linear");
    assert_ptr_equal(s->with_hash.ops, s->hash->info->ops);
    assert_ptr_equal(s->with_probe.ops, s->probe->info->ops);
    assert_true(s->caps & LB_CAP_KEYED);
    assert_int_equal(plugin_count_loaded(), 3);
    strategy_retain(s);
    strategy_release(s);
    assert_int_equal(plugin_count_loaded(), 3);
    strategy_release(s);
    strategy_release(NULL);
    assert_int_equal(plugin_count_loaded(), 0);
}

/* A scheduler that needs neither hash nor probe is not shown them, but named ones are loaded and their
 * options checked. */
static void test_composes_without(void **state)
{
    struct strategy *s = kit_strategy(in_turn, none, none);
    struct lb_key key = { .bytes = "7", .len = 1 };
    char *problems;

    (void)state;
    assert_null(s->with_hash.ops);
    assert_null(s->hash);
    assert_int_equal(strategy_hash(s, &key), 0);
    strategy_release(s);
    s = kit_strategy(in_turn, murmur, linear);
    assert_null(s->with_hash.ops);
    assert_null(s->with_probe.ops);
    assert_non_null(s->hash);
    assert_int_equal(strategy_hash(s, &key), 0);
    strategy_release(s);
    problems = kit_problems(RM_PLUGIN_DIR, in_turn, (struct kit_part){ "hash_murmur", "seed=-1" }, none);
    assert_string_equal(
        problems,
        "2:1: option \"seed\" of hash_murmur is -1; it is a whole number (0 .. 4294967295) [seed, a "
        "32-bit number: balancers with the same seed agree]");
    free(problems);
    assert_int_equal(plugin_count_loaded(), 0);
}

static void check_problems(const char *dir, struct kit_part scheduler, struct kit_part hash,
                           struct kit_part probe, const char *expected)
{
    char *problems = kit_problems(dir, scheduler, hash, probe);

    assert_string_equal(problems, expected);
    assert_int_equal(plugin_count_loaded(), 0);
    free(problems);
}

static void test_needs(void **state)
{
    (void)state;
    check_problems(RM_PLUGIN_DIR, ring, none, none,
                   "1:1: scheduler_ring needs a hash plugin: set strategy.hash\n"
                   "1:1: scheduler_ring needs a probe plugin: set strategy.probe");
    check_problems(RM_PLUGIN_DIR, none, murmur, linear,
                   "1:1: no scheduler is named: set strategy.scheduler [scheduler = \"scheduler_ring\";]");
}

/* Every mistake at once, over all three plugins. */
static void test_all_problems_at_once(void **state)
{
    (void)state;
    check_problems(
        RM_PLUGIN_DIR, (struct kit_part){ "scheduler_ring", "slots=1 virtual_nods=5 virtual_nodes=many" },
        (struct kit_part){ "hash_murmer", "bits=7" },
        (struct kit_part){ "probe_linear", "step=true zzzzzz=1" },
        "1:1: option \"slots\" of scheduler_ring is 1; it is a whole number (2 .. 4294967296) [size of "
        "the ring, in "
        "slots]\n"
        "1:2: scheduler_ring has no option \"virtual_nods\" [did you mean \"virtual_nodes\"?]\n"
        "1:3: option \"virtual_nodes\" of scheduler_ring is a text here; it is a whole number (1 .. "
        "100000) [places "
        "on the ring of a member of weight 1, in virtual nodes]\n"
        "2:1: no hash plugin \"hash_murmer\" in " RM_PLUGIN_DIR " [did you mean \"hash_murmur\"?]\n"
        "3:1: option \"step\" of probe_linear is true or false here; it is a whole number (1 .. "
        "4294967295) [how "
        "far one attempt goes, in slots]\n"
        "3:2: probe_linear has no option \"zzzzzz\" [probe_linear has step]");
    check_problems(
        RM_PLUGIN_DIR, (struct kit_part){ "scheduler_round_robin", "slots=5" }, none, none,
        "1:1: scheduler_round_robin has no option \"slots\" [scheduler_round_robin has no options]");
    check_problems(RM_PLUGIN_DIR, ring, (struct kit_part){ "probe_linear", "" }, linear,
                   "2:1: " RM_PLUGIN_DIR "/probe_linear.so: is a probe, and a hash is wanted here");
    check_problems(
        RM_PLUGIN_DIR, ring, (struct kit_part){ "hash_murmur", "bits=64" }, linear,
        "2:1: hash_murmur refuses its options: bits is neither 32 nor 128, and murmur3 comes in these two "
        "widths");
}

/* ------------------------------------------------------------------ options */

/* hash_options answers key 0, 1, 2, 4 with the value of that option, and place(j) with the j-th byte of
 * option 3. */
static void check_values(const char *options, int64_t whole, uint64_t thousandths, int64_t flag,
                         const char *text, int64_t free_one)
{
    struct config *config = kit_config(
        RM_PLUGIN_DIR, ring, (struct kit_part){ RM_TEST_PLUGIN_DIR "/hash_options.so", options }, linear);
    struct problems problems = { 0 };
    struct strategy *s = strategy_make(config, &problems);
    const uint64_t expected[] = { (uint64_t)whole, thousandths, (uint64_t)flag, 0, (uint64_t)free_one };
    struct lb_member member = { .id = 1 };

    kit_config_free(config); /* the values are the strategy's own */
    assert_non_null(s);
    for (uint64_t i = 0; i < 5; i++) {
        struct lb_key key = { .id = i };

        if (i != 3)
            assert_int_equal(strategy_hash(s, &key), expected[i]);
    }
    for (uint32_t j = 0; j <= strlen(text); j++)
        assert_int_equal(s->with_hash.ops->place(s->with_hash.self, &member, j), (unsigned char)text[j]);
    strategy_release(s);
    problems_free(&problems);
}

static void test_option_values(void **state)
{
    (void)state;
    check_values("", 16, 500, 1, "abc", 4294967296);
    check_values("whole=-5 fraction=0.25 flag=false text=x free=-9223372036854775807", -5, 250, 0, "x",
                 -9223372036854775807);
    check_values("whole=100 fraction=1 flag=true text=abcdefgh free=0", 100, 1000, 1, "abcdefgh", 0);
}

static void test_option_mistakes(void **state)
{
    static const struct {
        const char *options, *expected;
    } bad[] = {
        { "whole=101",
          "2:1: option \"whole\" of hash_options is 101; it is a whole number (-5 .. 100) [a whole "
          "number, in "
          "sheep]" },
        { "whole=1.5",
          "2:1: option \"whole\" of hash_options is a number with a fraction here; it is a whole number "
          "(-5 .. "
          "100) [a whole number, in sheep]" },
        { "fraction=1.5",
          "2:1: option \"fraction\" of hash_options is 1.5; it is a number (0 .. 1) [a share of one]" },
        { "fraction=inf",
          "2:1: option \"fraction\" of hash_options is inf; it is a number (0 .. 1) [a share of one]" },
        { "flag=1",
          "2:1: option \"flag\" of hash_options is a whole number here; it is true or false [yes or no]" },
        { "text=abcdefghi",
          "2:1: option \"text\" of hash_options is 9 bytes long; it is a text of 1 .. 8 bytes [what is "
          "digested, in bytes]" },
        { "text=",
          "2:1: option \"text\" of hash_options is 0 bytes long; it is a text of 1 .. 8 bytes [what is "
          "digested, in "
          "bytes]" },
        { "whole=13", "2:1: hash_options refuses its options: thirteen sheep are too many" },
        { "whole=14", "2:1: hash_options refuses its options: it gave no reason" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check_problems(RM_PLUGIN_DIR, ring,
                       (struct kit_part){ RM_TEST_PLUGIN_DIR "/hash_options.so", bad[i].options }, linear,
                       bad[i].expected);
}

static void test_mistakes_of_the_plugin(void **state)
{
    (void)state;
    check_problems(
        RM_PLUGIN_DIR, ring, (struct kit_part){ RM_TEST_PLUGIN_DIR "/hash_bad_defaults.so", "" }, linear,
        "2:1: plugin hash_bad_defaults: the default \"twelve\" of its option \"not_a_number\" is not a "
        "whole number; "
        "this is a mistake in the plugin\n"
        "2:1: plugin hash_bad_defaults: the default \"2.5\" of its option \"out_of_bounds\" is not a "
        "number (0 .. 1); "
        "this is a mistake in the plugin\n"
        "2:1: plugin hash_bad_defaults: the default \"\" of its option \"no_default\" is not a text; this "
        "is a "
        "mistake in the plugin");
    check_problems(
        RM_PLUGIN_DIR, ring, (struct kit_part){ RM_TEST_PLUGIN_DIR "/hash_bad_type.so", "" }, linear,
        "2:1: plugin hash_bad_type: its option \"odd\" has type 7, and lb_plugin.h knows 1 to 4; this is "
        "a mistake in "
        "the plugin");
}

/* Equal fingerprints exactly when plugins and effective values are equal. */
static void test_fingerprint(void **state)
{
    const struct kit_part hash = { RM_TEST_PLUGIN_DIR "/hash_options.so", "whole=16 text=abc" };
    const struct kit_part same = { RM_TEST_PLUGIN_DIR "/hash_options.so", "" };
    const struct kit_part others[] = {
        { RM_TEST_PLUGIN_DIR "/hash_options.so", "whole=15" },
        { RM_TEST_PLUGIN_DIR "/hash_options.so", "text=abd" },
        { RM_TEST_PLUGIN_DIR "/hash_options.so", "fraction=0.75" },
        { RM_TEST_PLUGIN_DIR "/hash_options.so", "flag=false" },
        { "hash_murmur", "" },
        { "hash_murmur", "seed=1" },
    };
    struct strategy *a = kit_strategy(ring, hash, linear), *b = kit_strategy(ring, same, linear);

    (void)state;
    assert_memory_equal(a->fingerprint, b->fingerprint, sizeof a->fingerprint);
    strategy_release(b);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        b = kit_strategy(ring, others[i], linear);
        assert_memory_not_equal(a->fingerprint, b->fingerprint, sizeof a->fingerprint);
        strategy_release(b);
    }
    strategy_release(a);
    /* Nothing but the contents differs: the same name, no options. */
    a = kit_strategy(ring, (struct kit_part){ RM_TEST_PLUGIN_DIR "/hash_version_a.so", "" }, linear);
    b = kit_strategy(ring, (struct kit_part){ RM_TEST_PLUGIN_DIR "/hash_version_b.so", "" }, linear);
    assert_string_equal(a->hash->info->name, b->hash->info->name);
    assert_memory_not_equal(a->fingerprint, b->fingerprint, sizeof a->fingerprint);
    strategy_release(a);
    strategy_release(b);
}

/* ------------------------------------------------------------------ tables */

static void test_table(void **state)
{
    struct strategy *s = kit_strategy(ring, murmur, linear);
    struct lb_member *members = kit_members(12);
    struct table *t = kit_build(s, members, 12);
    double sum = 0;

    (void)state;
    strategy_release(s); /* the table holds a reference */
    assert_int_equal(t->members_digest, strategy_digest_members(members, 12));
    kit_members_free(members, 12); /* and has its own names */
    assert_int_equal(t->n_members, 12);
    assert_true(memcmp(t->members[3].key, "Server 12", 9) == 0 && t->members[3].key_len == 9);
    assert_int_equal(kit_index(t, 12),
                     3); /* "Server 1", "Server 10", "Server 11", "Server 12", "Server 2" … */
    assert_non_null(t->shares);
    for (int i = 0; i < 12; i++)
        sum += t->shares[i];
    assert_true(sum > 0.999999 && sum < 1.000001);
    assert_true(t->digest != 0);
    assert_true(t->bytes >= 512 * 2 + 108 * 8);
    assert_true(t->build_ns > 0);
    table_retain(t);
    table_release(t);
    table_release(t);
    table_release(NULL);
    assert_int_equal(plugin_count_loaded(), 0);
}

/* Round robin is not keyed: it keeps scratch, and shares of the turns. */
static void test_table_of_turns(void **state)
{
    struct strategy *s = kit_strategy(in_turn, none, none);
    struct lb_member *members = kit_members(2);
    struct table *t;

    (void)state;
    members[1].weight = 3;
    t = kit_build(s, members, 2);
    assert_true(t->scratch_size > 0);
    assert_true(t->shares[0] == 0.25 && t->shares[1] == 0.75);
    assert_true(strategy_moved_keys(t, t, 100) < 0);
    table_release(t);
    kit_members_free(members, 2);
    strategy_release(s);
}

static void test_table_refused(void **state)
{
    struct strategy *s = kit_strategy(ring, murmur, linear);
    struct lb_member *members = kit_members(57);
    struct lb_error why;
    struct table *t;

    (void)state;
    assert_null(strategy_build(s, members, 57, &why)); /* 57 * 9 = 513 */
    assert_non_null(strstr(why.text, "57 members make 513 virtual nodes, and the ring has only 512 slots"));
    t = kit_build(s, members, 56);
    table_release(t);
    strategy_release(s);

    s = kit_strategy((struct kit_part){ RM_TEST_PLUGIN_DIR "/scheduler_refuses.so", "" }, none, none);
    assert_null(strategy_build(s, members, 2, &why));
    assert_string_equal(why.text, "two is company");
    assert_null(strategy_build(s, members, 3, &why));
    assert_string_equal(why.text, "scheduler_refuses refuses to build and gives no reason");
    strategy_release(s);
    kit_members_free(members, 57);
    assert_int_equal(plugin_count_loaded(), 0);
}

static void test_no_members(void **state)
{
    struct strategy *s = kit_strategy(ring, murmur, linear);
    struct table *t = kit_build(s, NULL, 0), *two;
    struct lb_member *members = kit_members(2);
    struct kit_seat seat = kit_sit(t, 1);

    (void)state;
    assert_int_equal(kit_ask_hash(&seat, 5), LB_NONE);
    assert_null(t->shares);
    two = kit_build(s, members, 2);
    assert_true(strategy_moved_keys(t, two, 100) < 0);
    assert_true(strategy_moved_keys(NULL, two, 100) < 0);
    kit_leave(&seat);
    table_release(t);
    table_release(two);
    kit_members_free(members, 2);
    strategy_release(s);
}

static void test_moved_keys(void **state)
{
    struct strategy *s = kit_strategy((struct kit_part){ "scheduler_ring", "" }, murmur, linear);
    struct strategy *seeded = kit_strategy((struct kit_part){ "scheduler_ring", "" },
                                           (struct kit_part){ "hash_murmur", "seed=9" }, linear);
    struct lb_member *members = kit_members(4);
    struct table *four = kit_build(s, members, 4), *again = kit_build(s, members, 4),
                 *three = kit_build(s, members, 3);
    struct table *other = kit_build(seeded, members, 4);
    double moved;

    (void)state;
    assert_true(strategy_moved_keys(four, again, 10000) == 0);
    moved = strategy_moved_keys(four, three, 10000); /* the share of the one that left */
    assert_true(moved > four->shares[3] - 0.02 && moved < four->shares[3] + 0.02);
    moved = strategy_moved_keys(four, other, 10000); /* all anew: one in four stays by chance */
    assert_true(moved > 0.70 && moved < 0.80);
    table_release(four);
    table_release(again);
    table_release(three);
    table_release(other);
    kit_members_free(members, 4);
    strategy_release(s);
    strategy_release(seeded);
}

/* ------------------------------------------------------------------ members, ids, keys */

static void test_order(void **state)
{
    struct lb_member m[] = {
        { .key = "Server 2", .key_len = 8 }, { .key = "Server 10", .key_len = 9 },
        { .key = "Server", .key_len = 6 },   { .key = "\xc3\xa4", .key_len = 2 },
        { .key = "", .key_len = 0 },
    };

    (void)state;
    qsort(m, 5, sizeof m[0], strategy_compare_members);
    assert_int_equal(m[0].key_len, 0);
    assert_string_equal(m[1].key, "Server");
    assert_string_equal(m[2].key, "Server 10");
    assert_string_equal(m[3].key, "Server 2");
    assert_string_equal(m[4].key, "\xc3\xa4"); /* bytes are unsigned */
    assert_int_equal(strategy_compare_members(&m[2], &m[2]), 0);
}

static void test_members_digest(void **state)
{
    struct lb_member m[2] = { { .id = 1, .key = "ab", .key_len = 2, .weight = 1 },
                              { .id = 2, .key = "c", .key_len = 1, .weight = 1 } };
    uint64_t digest = strategy_digest_members(m, 2);

    (void)state;
    assert_int_equal(strategy_digest_members(m, 2), digest);
    assert_int_not_equal(strategy_digest_members(m, 1), digest);
    m[1].weight = 2;
    assert_int_not_equal(strategy_digest_members(m, 2), digest);
    m[1].weight = 1;
    m[0].id = 3;
    assert_int_not_equal(strategy_digest_members(m, 2), digest);
    m[0].id = 1;
    m[0].key_len = 1; /* "a", "bc" is not "ab", "c" */
    m[1].key = "bc";
    m[1].key_len = 2;
    assert_int_not_equal(strategy_digest_members(m, 2), digest);
}

static void test_ids_of_names(void **state)
{
    (void)state;
    assert_int_equal(strategy_id_of_name("17", 2), 17);
    assert_int_equal(strategy_id_of_name("0", 1), 0);
    assert_true(strategy_id_of_name("9223372036854775807", 19) == 9223372036854775807ull);
    assert_int_equal(strategy_id_of_name("xyz", 0),
                     0x2d06800538d394c2); /* xxh3-64 of nothing, from its test vectors */
    assert_int_not_equal(strategy_id_of_name("Server 3", 8),
                         3); /* ordinals are for those who know the prefix */
}

static void test_keys(void **state)
{
    static const struct {
        const char *bytes;
        uint64_t id; /* of integers */
        bool integer;
    } keys[] = {
        { "132574", 132574, true },
        { "0", 0, true },
        { "007", 7, true },
        { "9223372036854775807", 9223372036854775807ull, true },
        { "9223372036854775808", 0, false },
        { "0000000000000000001", 1, true },   /* 19 digits */
        { "00000000000000000001", 0, false }, /* 20 */
        { "-1", 0, false },
        { "+1", 0, false },
        { " 1", 0, false },
        { "1.0", 0, false },
        { "12a", 0, false },
        { "", 0x2d06800538d394c2ull, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct lb_key key = { .bytes = keys[i].bytes, .len = strlen(keys[i].bytes), .flags = 0xFF };

        strategy_key_finish(&key);
        assert_int_equal(key.flags, keys[i].integer ? LB_KEY_INTEGER : 0);
        if (keys[i].integer || keys[i].id)
            assert_true(key.id == keys[i].id);
        else
            assert_true(key.id > 1000000); /* a hash; the chance of less is nothing */
        assert_ptr_equal(key.bytes, keys[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_composes),
        cmocka_unit_test(test_composes_without),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_all_problems_at_once),
        cmocka_unit_test(test_option_values),
        cmocka_unit_test(test_option_mistakes),
        cmocka_unit_test(test_mistakes_of_the_plugin),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_of_turns),
        cmocka_unit_test(test_table_refused),
        cmocka_unit_test(test_no_members),
        cmocka_unit_test(test_moved_keys),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_members_digest),
        cmocka_unit_test(test_ids_of_names),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
