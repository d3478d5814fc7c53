/*
 * test_plugin.c - shared objects in and out: what is let in, what is refused and with which sentence, what
 * stays behind.
 */
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "world/plugin.h"

static char folder[] = "/tmp/test_plugin-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    (void)state;
    while ((entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    return rmdir(folder);
}

/* ------------------------------------------------------------------ files */

static void *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes;
    long size;

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    rewind(file);
    bytes = mem_alloc((size_t)size + 1);
    assert_int_equal(fread(bytes, 1, (size_t)size, file), size);
    fclose(file);
    *len = (size_t)size;
    return bytes;
}

/* Overwrites in place, as cp does: same inode, same path. Eight more bytes at the end (which an ELF file may
 * carry) make a content of its own of each tag but 0. */
static void write_plugin(const char *path, const char *from, uint64_t tag)
{
    size_t len;
    char *bytes = read_file(from, &len);
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    if (tag)
        assert_int_equal(fwrite(&tag, sizeof tag, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void overwrite(const char *path, long at, char byte)
{
    FILE *file = fopen(path, "r+b");

    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    fputc(byte, file);
    assert_int_equal(fclose(file), 0);
}

/* Where the last byte is that the loader maps, plus one. */
static long end_of_segments(const char *path)
{
    size_t len;
    char *bytes = read_file(path, &len);
    ElfW(Ehdr) head;
    long end = 0;

    memcpy(&head, bytes, sizeof head);
    for (unsigned i = 0; i < head.e_phnum; i++) {
        ElfW(Phdr) segment;

        memcpy(&segment, bytes + head.e_phoff + i * sizeof segment, sizeof segment);
        end = (long)(segment.p_offset + segment.p_filesz) > end ? (long)(segment.p_offset + segment.p_filesz)
                                                                : end;
    }
    free(bytes);
    return end;
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

static struct plugin *load(const char *dir, const char *name, enum lb_kind kind)
{
    char why[512] = "";
    struct plugin *p = plugin_load(dir, name, kind, why, sizeof why);

    if (!p)
        print_error("%s\n", why);
    assert_non_null(p);
    return p;
}

/* ------------------------------------------------------------------ in and out */

static void test_all_shipped(void **state)
{
    static const struct {
        const char *name;
        enum lb_kind kind;
    } shipped[] = {
        { "hash_quadratic", LB_HASH },      { "hash_murmur", LB_HASH },
        { "probe_linear", LB_PROBE },       { "probe_quadratic", LB_PROBE },
        { "scheduler_ring", LB_SCHEDULER }, { "scheduler_round_robin", LB_SCHEDULER },
    };

    (void)state;
    for (size_t i = 0; i < sizeof shipped / sizeof shipped[0]; i++) {
        struct plugin *p = load(RM_PLUGIN_DIR, shipped[i].name, shipped[i].kind);

        assert_string_equal(p->info->name, shipped[i].name);
        assert_int_equal(p->info->kind, shipped[i].kind);
        assert_int_equal(p->info->abi_major, LB_ABI_MAJOR);
        assert_true(strlen(p->info->version) > 0 && strlen(p->info->summary) > 0);
        assert_int_equal(plugin_count_loaded(), 1);
        plugin_release(p);
        assert_int_equal(plugin_count_loaded(), 0);
    }
}

static void test_equal_bytes_are_mapped_once(void **state)
{
    char *copy = mem_format("%s/hash_copy.so", folder);
    struct plugin *one, *two, *three;

    (void)state;
    write_plugin(copy, RM_PLUGIN_DIR "/hash_murmur.so", 0);
    one = load(RM_PLUGIN_DIR, "hash_murmur", LB_HASH);
    two = load(folder, "hash_copy", LB_HASH);
    assert_ptr_equal(one, two);
    assert_int_equal(plugin_count_loaded(), 1);
    plugin_release(one);
    assert_int_equal(plugin_count_loaded(), 1);
    assert_string_equal(two->info->name, "hash_murmur"); /* still mapped */
    write_plugin(copy, RM_PLUGIN_DIR "/hash_murmur.so", 7);
    three = load("/nowhere", copy, LB_HASH); /* a name with a slash is a path */
    assert_ptr_not_equal(three, two);
    assert_int_equal(plugin_count_loaded(), 2);
    assert_string_equal(three->path, copy);
    assert_true(three->content[0] != two->content[0] || three->content[1] != two->content[1]);
    plugin_release(two);
    plugin_release(three);
    plugin_release(NULL);
    assert_int_equal(plugin_count_loaded(), 0);
    free(copy);
}

/* The file is overwritten while its old code serves: the old one goes on, the new one is new. */
static void test_overwritten_in_place(void **state)
{
    char *path = mem_format("%s/hash_live.so", folder);
    struct lb_member member = { .id = 5, .weight = 1 };
    const struct lb_hash_ops *ops;
    struct plugin *old, *new;

    (void)state;
    write_plugin(path, RM_TEST_PLUGIN_DIR "/hash_version_a.so", 0);
    old = load(folder, "hash_live", LB_HASH);
    assert_string_equal(old->info->version, "1.0a");
    write_plugin(path, RM_TEST_PLUGIN_DIR "/hash_version_b.so", 0);
    new = load(folder, "hash_live", LB_HASH);
    assert_string_equal(new->info->version, "1.0b");
    assert_string_equal(old->info->version, "1.0a");
    assert_int_equal(truncate(path, 100), 0); /* would be SIGBUS if the file itself were mapped */
    ops = old->info->ops;
    assert_true(ops->place(NULL, &member, 1) == lb_mix64(6));
    plugin_release(old);
    assert_string_equal(new->info->version, "1.0b");
    plugin_release(new);
    free(path);
}

/* Every path a swap can take is walked often, each time with new bytes: never stale code, and nothing is
 * left. */
static void test_many_swaps(void **state)
{
#ifdef RM_SANITIZED
    enum { SWAPS = 40 }; /* nothing is unloaded there, so keep it short */
#else
    enum { SWAPS = 1000 };
#endif
    char *path = mem_format("%s/hash_swap.so", folder);
    struct plugin *now = NULL;
    unsigned before = 0;

    (void)state;
    for (uint64_t i = 1; i <= SWAPS; i++) {
        const char *version = i % 2 ? "1.0a" : "1.0b";
        struct plugin *next;

        write_plugin(
            path, i % 2 ? RM_TEST_PLUGIN_DIR "/hash_version_a.so" : RM_TEST_PLUGIN_DIR "/hash_version_b.so",
            i);
        next = load(folder, "hash_swap", LB_HASH);
        assert_string_equal(next->info->version, version);
        plugin_release(now);
        now = next;
        if (i == 1)
            before = count_descriptors();
    }
    assert_int_equal(plugin_count_loaded(), 1);
    plugin_release(now);
    assert_int_equal(plugin_count_loaded(), 0);
    assert_int_equal(plugin_count_stuck(), 0);
#if !defined(RM_SANITIZED) || defined(RM_PLUGIN_COPY_TO_FILE)
    assert_int_equal(count_descriptors(), before - 1);
#else
    (void)before;
#endif
    free(path);
}

/* One thread loads what another one is letting go: every mapping handed out is whole, and in the end none is
 * left. */
static void *load_and_release(void *arg)
{
    const char *name = arg;
    size_t good = 0;

    for (int i = 0; i < 60; i++) {
        char why[512];
        struct plugin *p = plugin_load(RM_PLUGIN_DIR, i % 3 ? name : "hash_murmur", LB_HASH, why, sizeof why);
        const struct lb_hash_ops *ops;

        if (!p)
            continue;
        ops = p->info->ops;
        good += ops->struct_size == sizeof *ops && ops->key && strncmp(p->info->name, "hash_", 5) == 0;
        plugin_release(p);
    }
    return (void *)good;
}

static void test_two_threads(void **state)
{
    pthread_t threads[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_and_release,
                                        (void *)(uintptr_t)(i ? "hash_murmur" : "hash_quadratic")),
                         0);
    for (int i = 0; i < 3; i++) {
        void *good;

        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_int_equal((size_t)good, 60);
    }
    assert_int_equal(plugin_count_loaded(), 0);
    assert_int_equal(plugin_count_stuck(), 0);
}

/* ------------------------------------------------------------------ refusals */

static void refuses(const char *dir, const char *name, enum lb_kind kind, const char *expected)
{
    unsigned descriptors = count_descriptors();
    char why[512] = "";
    char *missing;

    assert_null(plugin_load(dir, name, kind, why, sizeof why));
    missing = strstr(why, expected);
    if (!missing)
        print_error("%s: got \"%s\", expected \"%s\" in it\n", name, why, expected);
    assert_non_null(missing);
    assert_int_equal(plugin_count_loaded(), 0);
#if !defined(RM_SANITIZED) || defined(RM_PLUGIN_COPY_TO_FILE)
    assert_int_equal(count_descriptors(), descriptors);
#else
    (void)descriptors;
#endif
}

static void test_refuses_what_it_says_of_itself(void **state)
{
    static const struct {
        const char *name;
        enum lb_kind kind;
        const char *expected;
    } bad[] = {
        { "hash_no_entry", LB_HASH, "hash_no_entry.so: exports no lb_plugin_entry" },
        { "hash_null_entry", LB_HASH, "declined: its lb_plugin_entry returned NULL for plugin ABI 1.0" },
        { "hash_abi_major", LB_HASH,
          "speaks plugin ABI 2.1, this balancer speaks 1.0; rebuild it against this "
          "balancer's lb_plugin.h" },
        { "hash_abi_minor", LB_HASH, "speaks plugin ABI 1.7, newer than this balancer's 1.0" },
        { "hash_tiny_info", LB_HASH, "struct lb_plugin is 4 bytes, too short" },
        { "hash_short_info", LB_HASH, "its struct lb_plugin is 56 bytes, and ABI 1.0 has 64; rebuild it" },
        { "hash_kind_nine", LB_HASH, "says it is of kind 9" },
        { "hash_no_name", LB_HASH, "has no name" },
        { "hash_no_ops", LB_HASH, "has no callbacks" },
        { "hash_short_ops", LB_HASH, "its struct lb_hash_ops is 32 bytes, and ABI 1.0 has 48" },
        { "hash_no_place", LB_HASH, "has no callback place" },
        { "probe_no_at", LB_PROBE, "has no callback at" },
        { "scheduler_no_pick", LB_SCHEDULER, "has no callback pick" },
        { "hash_version_a", LB_PROBE, "hash_version_a.so: is a hash, and a probe is wanted here" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuses(RM_TEST_PLUGIN_DIR, bad[i].name, bad[i].kind, bad[i].expected);
}

static void test_refuses_the_wrong_kind_of_a_loaded_one(void **state)
{
    struct plugin *p = load(RM_PLUGIN_DIR, "hash_murmur", LB_HASH);
    char why[512];

    (void)state;
    assert_null(plugin_load(RM_PLUGIN_DIR, "hash_murmur", LB_SCHEDULER, why, sizeof why));
    assert_non_null(strstr(why, "is a hash, and a scheduler is wanted here"));
    plugin_release(p);
    assert_int_equal(plugin_count_loaded(), 0);
}

static void test_refuses_files(void **state)
{
    char *text = mem_format("%s/hash_text.so", folder), *empty = mem_format("%s/hash_empty.so", folder);
    char *cut = mem_format("%s/hash_cut.so", folder), *pipe = mem_format("%s/hash_pipe.so", folder);
    char *huge = mem_format("%s/hash_huge.so", folder), *elf = mem_format("%s/hash_elf.so", folder);

    (void)state;
    write_text(text, "#!/bin/sh\n");
    refuses(folder, "hash_text", LB_HASH, "is no shared object (it does not begin like an ELF file)");
    write_text(empty, "");
    refuses(folder, "hash_empty", LB_HASH, "is empty");
    write_text(elf, "\177ELF");
    refuses(folder, "hash_elf", LB_HASH, "hash_elf.so: is cut short");
    write_plugin(elf, RM_PLUGIN_DIR "/hash_murmur.so", 0);
    overwrite(elf, EI_CLASS, ELFCLASS32);
    refuses(folder, "hash_elf", LB_HASH, "is an ELF file, but no shared object for this machine");
    write_plugin(elf, RM_PLUGIN_DIR "/hash_murmur.so", 0);
    overwrite(elf, EI_VERSION, 9);
    refuses(folder, "hash_elf", LB_HASH, "hash_elf.so: cannot be loaded: ");
    for (int size = 3000; size > 30; size -= 29) {
        write_plugin(cut, RM_PLUGIN_DIR "/hash_murmur.so", 0);
        assert_int_equal(truncate(cut, size), 0);
        refuses(folder, "hash_cut", LB_HASH, "hash_cut.so: is cut short");
    }
    write_plugin(cut, RM_PLUGIN_DIR "/hash_murmur.so", 0);
    assert_int_equal(truncate(cut, end_of_segments(cut) - 1), 0);
    refuses(folder, "hash_cut", LB_HASH, "hash_cut.so: is cut short");
    write_plugin(cut, RM_PLUGIN_DIR "/hash_murmur.so", 0);
    assert_int_equal(truncate(cut, end_of_segments(cut)), 0); /* what follows is for tools alone */
    plugin_release(load(folder, "hash_cut", LB_HASH));
    assert_int_equal(mkfifo(pipe, 0600), 0);
    refuses(folder, "hash_pipe", LB_HASH, "is not a regular file");
    refuses(folder, folder, LB_HASH, "is a directory");
    write_text(huge, "x");
    assert_int_equal(truncate(huge, (256l << 20) + 1), 0);
    refuses(folder, "hash_huge", LB_HASH, "is larger than 256 MiB");
    refuses(folder, "./no/such/file.so", LB_HASH, "./no/such/file.so: cannot be opened: No such file");
    unlink(huge);
    free(text);
    free(empty);
    free(cut);
    free(pipe);
    free(huge);
    free(elf);
}

static void test_refuses_missing(void **state)
{
    (void)state;
    refuses(RM_PLUGIN_DIR, "hash_murmer", LB_HASH,
            "no hash plugin \"hash_murmer\" in " RM_PLUGIN_DIR "; did you mean \"hash_murmur\"?");
    refuses(RM_PLUGIN_DIR, "ring", LB_SCHEDULER, "did you mean \"scheduler_ring\"?");
    refuses(RM_PLUGIN_DIR, "hash_of_another_world", LB_HASH, "there is no hash_of_another_world.so");
    refuses("/no/such/directory", "hash_murmur", LB_HASH, "/no/such/directory cannot be read (No such file");
}

/* A sentence longer than its room is cut, not written past it. */
static void test_short_room(void **state)
{
    char why[24];

    (void)state;
    memset(why, 'x', sizeof why);
    assert_null(plugin_load(RM_TEST_PLUGIN_DIR, "hash_abi_major", LB_HASH, why, 20));
    assert_int_equal(strlen(why), 19);
    assert_memory_equal(why + 20, "xxxx", 4);
}

/* ------------------------------------------------------------------ lists */

static void test_names(void **state)
{
    char **names = plugin_names(RM_PLUGIN_DIR, "probe_");
    size_t linear = 0, quadratic = 0, count = 0;

    (void)state;
    assert_non_null(names);
    for (; names[count]; count++) {
        assert_int_equal(strncmp(names[count], "probe_", 6), 0);
        assert_null(strstr(names[count], ".so"));
        assert_true(count == 0 || strcmp(names[count - 1], names[count]) < 0);
        linear += strcmp(names[count], "probe_linear") == 0;
        quadratic += strcmp(names[count], "probe_quadratic") == 0;
    }
    assert_int_equal(linear, 1);
    assert_int_equal(quadratic, 1);
    plugin_names_free(names);
    names = plugin_names(RM_PLUGIN_DIR, "no_such_");
    assert_non_null(names);
    assert_null(names[0]);
    plugin_names_free(names);
    assert_null(plugin_names("/no/such/directory", ""));
    plugin_names_free(NULL);
    assert_string_equal(plugin_kind_name(LB_HASH), "hash");
    assert_string_equal(plugin_kind_name(LB_PROBE), "probe");
    assert_string_equal(plugin_kind_name(LB_SCHEDULER), "scheduler");
}

#ifndef RM_SANITIZED
/* Code that cannot leave keeps its descriptor, so that no later plugin is mistaken for it. Last: it stays. */
static void test_stuck(void **state)
{
    struct plugin *stuck = load(RM_TEST_PLUGIN_DIR, "hash_nodelete", LB_HASH);
    struct plugin *next;

    (void)state;
    plugin_release(stuck);
    assert_int_equal(plugin_count_stuck(), 1);
    assert_int_equal(plugin_count_loaded(), 0);
    next = load(RM_TEST_PLUGIN_DIR, "hash_version_b", LB_HASH);
    assert_string_equal(next->info->version, "1.0b");
    plugin_release(next);
    assert_int_equal(plugin_count_stuck(), 1);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_shipped),
        cmocka_unit_test(test_equal_bytes_are_mapped_once),
        cmocka_unit_test(test_overwritten_in_place),
        cmocka_unit_test(test_many_swaps),
        cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_refuses_what_it_says_of_itself),
        cmocka_unit_test(test_refuses_the_wrong_kind_of_a_loaded_one),
        cmocka_unit_test(test_refuses_files),
        cmocka_unit_test(test_refuses_missing),
        cmocka_unit_test(test_short_room),
        cmocka_unit_test(test_names),
#ifndef RM_SANITIZED
        cmocka_unit_test(test_stuck),
#endif
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
