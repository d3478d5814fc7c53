/*
 * test_mem.c - allocation that does not fail, and slabs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_texts(void **state)
{
    (void)state;
    char *copy = mem_text("abc");
    assert_string_equal(copy, "abc");
    free(copy);
    assert_null(mem_text(NULL));
    copy = mem_text_n("abcdef", 3);
    assert_string_equal(copy, "abc");
    free(copy);
    copy = mem_text_n(NULL, 0);
    assert_string_equal(copy, "");
    free(copy);
    copy = mem_format("%s-%d", "x", 42);
    assert_string_equal(copy, "x-42");
    free(copy);
}

static void test_zero_and_aligned(void **state)
{
    (void)state;
    unsigned char *m = mem_zero(10, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(m[i], 0);
    m = mem_grow(m, 1000);
    assert_int_equal(m[99], 0);
    free(m);
    for (size_t align = 1; align <= 4096; align *= 2) {
        unsigned char *a = mem_aligned(align, 100);
        assert_int_equal((uintptr_t)a % align, 0);
        for (int i = 0; i < 100; i++)
            assert_int_equal(a[i], 0);
        free(a);
    }
    free(mem_alloc(0)); /* an object, not NULL */
}

/* The program ends with a sentence. In a child, with its standard error in a pipe. */
static void test_out_of_memory(void **state)
{
    (void)state;
    int pipe_fd[2];
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipe_fd[1], STDERR_FILENO);
        char *volatile keep = mem_zero((size_t)-1 / 2, 3);
        _exit(keep ? 0 : 1);
    }
    close(pipe_fd[1]);
    char text[4096] = "";
    size_t len = 0;
    ssize_t n;
    while (len < sizeof text - 1 && (n = read(pipe_fd[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    close(pipe_fd[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(text, "out of memory"));
}

static void test_slab(void **state)
{
    (void)state;
    enum { BATCH = 8, OBJECTS = 100, SIZE = 33 };
    struct slab slab;
    unsigned char *objects[OBJECTS];
    slab_init(&slab, SIZE, BATCH);
    assert_int_equal(slab.total, 0);
    for (int i = 0; i < OBJECTS; i++) {
        objects[i] = slab_take(&slab);
        assert_int_equal((uintptr_t)objects[i] % 16, 0);
        memset(objects[i], i, SIZE);
    }
    assert_int_equal(slab.used, OBJECTS);
    assert_int_equal(slab.total, (OBJECTS + BATCH - 1) / BATCH * BATCH);
    for (int i = 0; i < OBJECTS; i++) /* nobody wrote over anybody */
        for (int b = 0; b < SIZE; b++)
            assert_int_equal(objects[i][b], i);

    for (int i = 0; i < OBJECTS; i += 2)
        slab_give(&slab, objects[i]);
    assert_int_equal(slab.used, OBJECTS / 2);
    size_t total = slab.total;
    unsigned char *again = slab_take(&slab);
    assert_ptr_equal(again, objects[OBJECTS - 2]); /* last in, first out */
    for (int i = 1; i < OBJECTS / 2; i++)
        slab_take(&slab);
    assert_int_equal(slab.total, total);
    assert_int_equal(slab.used, OBJECTS);
    for (int b = 0; b < SIZE; b++)
        assert_int_equal(objects[1][b], 1);
    slab_close(&slab);
    assert_int_equal(slab.used, 0);
    assert_int_equal(slab.total, 0);

    void *fresh = slab_take(&slab); /* a closed slab is an empty one */
    assert_non_null(fresh);
    slab_give(&slab, fresh);
    slab_close(&slab);
}

static void test_slab_of_small_objects(void **state)
{
    (void)state;
    struct slab slab;
    slab_init(&slab, 1, 1);
    char *a = slab_take(&slab), *b = slab_take(&slab);
    assert_ptr_not_equal(a, b);
    slab_give(&slab, a);
    slab_give(&slab, b);
    assert_ptr_equal(slab_take(&slab), b);
    assert_ptr_equal(slab_take(&slab), a);
    assert_int_equal(slab.total, 2);
    slab_close(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_zero_and_aligned),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_slab),
        cmocka_unit_test(test_slab_of_small_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
