/*
 * test_membership_file.c - the state file: its text, what is refused, and how it is written.
 *
 * Owns     a directory for the file.
 * Used by  ctest: unit.control.membership_file.
 * Thread   the test's, and the builder's that writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "control/builder.h"
#include "control/membership_file.h"
#include "world/message.h"

#define DEADLINE_MS 20000u

/* ------------------------------------------------------------------ the text */

static const char good[] =
    "{\"format\": \"ringmaster membership\", \"version\": 1, \"driver\": \"process\", \"count\": 3, \"replicas\": [\n"
    " {\"name\": \"emergency_07\", \"ring_name\": \"Server 1\", \"id\": \"1\", \"ordinal\": 1, \"weight\": 1, \"weighted\": false},\n"
    " {\"name\": \"S5\", \"ring_name\": \"S5\", \"id\": \"18446744073709551615\", \"ordinal\": 0, \"weight\": 65535, \"weighted\": true}\n"
    "], \"absent\": [{\"address\": \"10.0.0.1:80\", \"name\": null}, {\"address\": \"10.0.0.2:80\", \"name\": \"big\"}]}";

static struct membership *parse(const char *text, char *why)
{
    return membership_parse(text, strlen(text), why, 200);
}

static void check_good(const struct membership *m)
{
    assert_non_null(m);
    assert_string_equal(m->driver, "process");
    assert_int_equal(m->count, 3);
    assert_int_equal(m->n_places, 2);
    assert_string_equal(m->places[0].name, "emergency_07");
    assert_string_equal(m->places[0].ring_name, "Server 1");
    assert_int_equal(m->places[0].id, 1);
    assert_int_equal(m->places[0].ordinal, 1);
    assert_false(m->places[0].is_weighted);
    assert_true(m->places[1].id == UINT64_MAX);
    assert_int_equal(m->places[1].weight, 65535);
    assert_true(m->places[1].is_weighted);
    assert_int_equal(m->n_absent, 2);
    assert_null(m->absent[0].name);
    assert_string_equal(m->absent[1].address, "10.0.0.2:80");
    assert_string_equal(m->absent[1].name, "big");
}

static void test_there_and_back(void **state)
{
    char why[200] = "";
    (void)state;
    struct membership *m = parse(good, why);
    check_good(m);
    char *text = membership_render(m);
    struct membership *again = parse(text, why);
    check_good(again);
    free(text);
    membership_free(m);
    membership_free(again);
}

/* Every cut of a file is refused, with a sentence. */
static void test_cut_off(void **state)
{
    char why[200];
    (void)state;
    for (size_t len = 0; len < sizeof good - 1; len++) {
        why[0] = 0;
        assert_null(membership_parse(good, len, why, sizeof why));
        assert_true(strlen(why) > 10);
    }
}

/* A byte of it replaced by any other: refused, or another good file; never a crash. */
static void test_damaged(void **state)
{
    char why[200], text[sizeof good];
    (void)state;
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof good - 1; i++) {
        for (unsigned byte = 0; byte < 256; byte += 5) {
            memcpy(text, good, sizeof good);
            text[i] = (char)byte;
            struct membership *m = membership_parse(text, sizeof good - 1, why, sizeof why);
            refused += m == NULL;
            membership_free(m);
        }
    }
    assert_true(refused > 10000);
}

static void test_refused(void **state)
{
    static const struct {
        const char *from, *to, *why;
    } cases[] = {
        { "ringmaster membership", "other program", "it is no state file of ringmaster" },
        { "\"version\": 1", "\"version\": 2", "its version is 2, and this program knows 1" },
        { "\"version\": 1", "\"version\": \"1\"", "\"version\" must be a number from 1 to 2147483647" },
        { "\"S5\", \"ring", "\"emergency_07\", \"ring", "\"emergency_07\" stands there twice" },
        { "\"ring_name\": \"S5\"", "\"ring_name\": \"Server 1\"", "\"Server 1\" stands there twice" },
        { "\"id\": \"1\"", "\"id\": \"01\"", "\"id\" must be a number in quotes" },
        { "\"weight\": 65535", "\"weight\": 65536", "\"weight\" must be a number from 1 to 65535" },
        { "\"name\": \"S5\"", "\"name\": \"\"", "\"name\" must be a text of 1 to 63 bytes" },
        { "\"absent\"", "\"present\"", "\"replicas\" and \"absent\" must be lists" },
        { "\"count\": 3", "\"count\": -1", "\"count\" must be a number from 0 to 4294967295" },
        { "\"address\": \"10.0.0.1:80\"", "\"address\": 1", "\"address\" must be a text of 1 to 128 bytes" },
    };
    char why[200];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *at = strstr(good, cases[i].from);
        assert_non_null(at);
        char *text = mem_format("%.*s%s%s", (int)(at - good), good, cases[i].to, at + strlen(cases[i].from));
        assert_null(parse(text, why));
        assert_string_equal(why, cases[i].why);
        free(text);
    }
    assert_null(parse("[]", why));
    assert_string_equal(why, "it is no state file of ringmaster");
}

/* ------------------------------------------------------------------ the file */

struct place {
    char directory[64], path[96];
    struct event_base *base;
    struct mailbox mail;
    struct builder *builder;
    struct membership_file *file;
    uint64_t saved;
};

static void on_saved(void *ctx, uint64_t revision)
{
    ((struct place *)ctx)->saved = revision;
}

static void open_place(struct place *p, const char *name)
{
    memset(p, 0, sizeof *p);
    snprintf(p->directory, sizeof p->directory, "/tmp/membership-test-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    snprintf(p->path, sizeof p->path, "%s/%s", p->directory, name);
    p->base = event_base_new();
    assert_int_equal(mailbox_open(&p->mail), 0);
    p->builder = builder_new(&p->mail);
    assert_int_equal(builder_start(p->builder), 0);
    p->file = membership_file_open(p->path, p->base, p->builder);
    membership_file_listen(p->file, on_saved, p);
}

static void read_mail(struct place *p, bool drop)
{
    struct letter *next;
    for (struct letter *l = mailbox_take(&p->mail); l; l = next) {
        next = l->next;
        struct letter_built *built = (struct letter_built *)(void *)l;
        (drop ? built->drop : built->done)(built);
    }
}

static void close_place(struct place *p)
{
    builder_free(p->builder);
    read_mail(p, true);
    membership_file_close(p->file);
    mailbox_close(&p->mail);
    event_base_free(p->base);
}

static void remove_place(struct place *p)
{
    char *command = mem_format("rm -r %s", p->directory);
    assert_int_equal(system(command), 0);
    free(command);
}

#define WAIT_FOR(p_, condition_)                                        \
    do {                                                                \
        uint64_t end_ = clock_now_ns() + DEADLINE_MS * CLOCK_NS_PER_MS; \
        while (!(condition_) && clock_now_ns() < end_) {                \
            read_mail(p_, false);                                       \
            event_base_loop((p_)->base, EVLOOP_NONBLOCK);               \
        }                                                               \
        assert_true(condition_);                                        \
    } while (0)

static const char *content(const char *path)
{
    static char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static void put_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static bool exists(const char *directory, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void test_the_newest_counts(void **state)
{
    struct place p;
    (void)state;
    open_place(&p, "state.json");
    assert_null(membership_file_load(p.file)); /* there is none: no complaint, nothing moved */
    for (uint64_t i = 1; i <= 1000; i++) {
        membership_file_save(p.file, mem_format("%llu\n", (unsigned long long)i), i);
    }
    assert_int_equal(p.saved, 0); /* never from inside */
    WAIT_FOR(&p, p.saved == 1000);
    assert_string_equal(content(p.path), "1000\n");
    assert_false(exists(p.directory, "state.json.new"));
    assert_null(membership_file_trouble(p.file));

    /* what is still on its way when the balancer leaves is written too */
    membership_file_save(p.file, mem_text("a\n"), 1001);
    membership_file_save(p.file, mem_text("b\n"), 1002);
    close_place(&p);
    assert_string_equal(content(p.path), "b\n");
    remove_place(&p);
}

static void test_a_good_file_is_read(void **state)
{
    struct place p;
    (void)state;
    open_place(&p, "state.json");
    put_file(p.path, good);
    struct membership *m = membership_file_load(p.file);
    check_good(m);
    membership_free(m);
    close_place(&p);
    remove_place(&p);
}

static void test_a_bad_file_is_moved_aside(void **state)
{
    struct place p;
    (void)state;
    open_place(&p, "state.json");
    put_file(p.path, "{ \"format\": \"ring");
    assert_null(membership_file_load(p.file));
    assert_false(exists(p.directory, "state.json"));
    assert_true(exists(p.directory, "state.json.refused"));
    membership_file_save(p.file, mem_text("new\n"), 1);
    WAIT_FOR(&p, p.saved == 1);
    assert_string_equal(content(p.path), "new\n");
    close_place(&p);
    remove_place(&p);

    open_place(&p, "state.json"); /* not even a file */
    assert_int_equal(mkfifo(p.path, 0600), 0);
    assert_null(membership_file_load(p.file));
    assert_true(exists(p.directory, "state.json.refused"));
    close_place(&p);
    remove_place(&p);
}

static void test_it_is_tried_again(void **state)
{
    struct place p;
    char folder[128];
    (void)state;
    open_place(&p, "folder/state.json");
    membership_file_save(p.file, mem_text("one\n"), 1);
    WAIT_FOR(&p, p.saved == 1); /* told all the same: nobody waits for a disk that is not there */
    assert_non_null(strstr(membership_file_trouble(p.file), "cannot create"));
    assert_non_null(strstr(membership_file_trouble(p.file), "No such file or directory"));
    snprintf(folder, sizeof folder, "%s/folder", p.directory);
    assert_int_equal(mkdir(folder, 0700), 0);
    WAIT_FOR(&p, !membership_file_trouble(p.file));
    assert_string_equal(content(p.path), "one\n");
    close_place(&p);
    remove_place(&p);
}

/* A limit stands in for a full disk: the file before stays whole. */
static void test_no_room(void **state)
{
    struct place p;
    struct rlimit before, tight;
    (void)state;
    open_place(&p, "state.json");
    membership_file_save(p.file, mem_text("whole\n"), 1);
    WAIT_FOR(&p, p.saved == 1);
    getrlimit(RLIMIT_FSIZE, &before);
    tight = (struct rlimit){ .rlim_cur = 4096, .rlim_max = before.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    membership_file_save(p.file, mem_format("%8000d\n", 1), 2);
    WAIT_FOR(&p, p.saved == 2);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_non_null(strstr(membership_file_trouble(p.file), "cannot write"));
    assert_string_equal(content(p.path), "whole\n");
    assert_false(exists(p.directory, "state.json.new"));
    WAIT_FOR(&p, !membership_file_trouble(p.file));
    assert_int_equal(strlen(content(p.path)), 4095); /* as much as content reads */
    close_place(&p);
    remove_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_the_newest_counts),
        cmocka_unit_test(test_a_good_file_is_read),
        cmocka_unit_test(test_a_bad_file_is_moved_aside),
        cmocka_unit_test(test_it_is_tried_again),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
