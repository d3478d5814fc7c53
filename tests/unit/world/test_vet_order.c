/*
 * test_vet_order.c - what is to be tried out, packed and read again: nothing is lost, and nothing else is taken for it.
 */
#include "unit/plugins/strategy_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/plugin.h"
#include "world/vet_order.h"

static const char *const copies[STRATEGY_PARTS] = { "/proc/self/fd/4", "/proc/self/fd/5", "/proc/self/fd/6" };

/* An order with everything in it: files, one that is missing, options of each type, members. */
static size_t pack(unsigned char **bytes, struct vet_order *order, struct config **config)
{
    *config = kit_config(
        RM_PLUGIN_DIR, (struct kit_part){ "scheduler_ring", "slots=512 text=some flag=true f=1.5" },
        (struct kit_part){ "hash_murmur", "" }, (struct kit_part){ "probe_linaer", "step=-3" });
    (*config)->strategy.hash.place.file = "a/file.conf";
    *order = (struct vet_order){ .memory = 1ull << 40,
                                 .cpu_ms = 2000,
                                 .parent = 77,
                                 .is_partial = true,
                                 .must_fit = true,
                                 .members = kit_members(12),
                                 .n_members = 12 };
    strategy_read(&order->source, *config);
    return vet_order_pack(order, copies, bytes);
}

static void unpack(unsigned char *bytes, struct vet_order *order, struct config *config)
{
    free(bytes);
    strategy_source_close(&order->source);
    kit_members_free(order->members, order->n_members);
    kit_config_free(config);
}

static void same_written(const struct config_plugin *a, const struct config_plugin *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->place.line, b->place.line);
    assert_int_equal(a->place.column, b->place.column);
    assert_int_equal(!a->place.file, !b->place.file);
    assert_int_equal(a->n_options, b->n_options);
    for (size_t i = 0; i < a->n_options; i++) {
        const struct config_value *x = &a->options[i], *y = &b->options[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->i, y->i);
        assert_true(x->f == y->f);
        assert_int_equal(!x->s, !y->s);
        if (x->s)
            assert_string_equal(x->s, y->s);
        assert_int_equal(x->place.column, y->place.column);
    }
}

static void test_nothing_is_lost(void **state)
{
    struct vet_order sent, got;
    struct config *config;
    unsigned char *bytes;
    size_t len = pack(&bytes, &sent, &config);
    (void)state;
    assert_int_equal(vet_order_read(&got, bytes, len), 0);
    assert_true(got.memory == sent.memory && got.cpu_ms == 2000 && got.parent == 77);
    assert_true(got.is_partial && got.must_fit);
    for (int part = 0; part < STRATEGY_PARTS; part++)
        same_written(sent.source.written[part], got.source.written[part]);
    assert_string_equal(got.written[PART_HASH].place.file, "a/file.conf");
    for (int part = 0; part < PART_PROBE; part++) {
        assert_string_equal(got.source.files[part]->path, sent.source.files[part]->path);
        assert_string_equal(got.source.files[part]->copy.path, copies[part]);
        assert_int_equal(got.source.files[part]->kind, strategy_kind((enum strategy_part)part));
        assert_memory_equal(got.source.files[part]->content, sent.source.files[part]->content, 16);
    }
    assert_null(got.source.files[PART_PROBE]);
    assert_string_equal(got.source.missing[PART_PROBE], sent.source.missing[PART_PROBE]);
    assert_int_equal(got.n_members, 12);
    for (uint32_t i = 0; i < 12; i++) {
        assert_int_equal(got.members[i].id, sent.members[i].id);
        assert_int_equal(got.members[i].key_len, sent.members[i].key_len);
        assert_memory_equal(got.members[i].key, sent.members[i].key, sent.members[i].key_len);
    }
    vet_order_free(&got);
    unpack(bytes, &sent, config);
}

/* Cut anywhere, longer, or changed: refused, or read as something harmless; never read past. */
static void test_other_bytes(void **state)
{
    struct vet_order sent, got;
    struct config *config;
    unsigned char *bytes;
    size_t len = pack(&bytes, &sent, &config);
    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        unsigned char *part = mem_alloc(cut); /* exactly: a sanitizer sees a byte more */
        memcpy(part, bytes, cut);
        assert_int_equal(vet_order_read(&got, part, cut), -1);
        free(part);
    }
    unsigned char *longer = mem_zero(1, len + 1);
    memcpy(longer, bytes, len);
    assert_int_equal(vet_order_read(&got, longer, len + 1), -1);
    free(longer);
    for (size_t at = 0; at < len; at++) {
        bytes[at] ^= 0xff;
        if (vet_order_read(&got, bytes, len) == 0)
            vet_order_free(&got);
        bytes[at] ^= 0xff;
    }
    unpack(bytes, &sent, config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(test_other_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
