/*
 * test_supervisor_table.c - every cell of state x event, with a driver that starts replicas and with one that
 * doesn't.
 *
 * Owns     nothing.
 * Used by  ctest: unit.control.supervisor_table.
 * Thread   one.
 *
 * The table is written down here a second time, from the documents. A row is brought into each state on the
 * way it usually gets there, then the event is raised.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "unit/control/supervisor_fake.h"

struct expected {
    enum supervisor_state state;
    enum supervisor_event event;
    row_action action;
    enum supervisor_state process, fixed; /* where it leads with each driver */
};

#define CELL(state_, event_, action_, to_)                                                  \
    {                                                                                       \
        SUPERVISOR_##state_, ON_##event_, row_##action_, SUPERVISOR_##to_, SUPERVISOR_##to_ \
    }
#define CELL2(state_, event_, action_, process_, fixed_)                                            \
    {                                                                                               \
        SUPERVISOR_##state_, ON_##event_, row_##action_, SUPERVISOR_##process_, SUPERVISOR_##fixed_ \
    }

static const struct expected expected[] = {
    CELL(STARTING, STARTED, watch, STARTING),
    CELL(STARTING, HEARTBEAT_OK, join, READY),
    CELL2(STARTING, IMPOSTOR, replace, STOPPING, SUSPECT),
    CELL(STARTING, EXITED, bury, BACKOFF),
    CELL2(STARTING, TIMER, replace, STOPPING, SUSPECT),
    CELL(STARTING, WANT_LESS, stop, STOPPING),
    CELL(READY, HEARTBEAT_OK, go_on, READY),
    CELL(READY, UNREADY, suspend, SUSPECT),
    CELL2(READY, DEAD, replace, STOPPING, SUSPECT),
    CELL(READY, REFUSED, doubt, SUSPECT),
    CELL(READY, CLOSED, ask, READY),
    CELL2(READY, IMPOSTOR, replace, STOPPING, SUSPECT),
    CELL(READY, EXITED, bury, BACKOFF),
    CELL(READY, OUTLIER, eject, EJECTED),
    CELL(EJECTED, HEARTBEAT_OK, go_on, EJECTED),
    CELL2(EJECTED, DEAD, replace, STOPPING, SUSPECT),
    CELL(EJECTED, REFUSED, confirm, EJECTED),
    CELL(EJECTED, EXITED, bury, BACKOFF),
    CELL(EJECTED, TIMER, try, TRIAL),
    CELL(EJECTED, WANT_LESS, drain, DRAINING),
    CELL(TRIAL, HEARTBEAT_OK, go_on, TRIAL),
    CELL(TRIAL, UNREADY, suspend, SUSPECT),
    CELL2(TRIAL, DEAD, replace, STOPPING, SUSPECT),
    CELL(TRIAL, REFUSED, doubt, SUSPECT),
    CELL(TRIAL, CLOSED, ask, TRIAL),
    CELL(TRIAL, OUTLIER, eject, EJECTED),
    CELL(TRIAL, EXITED, bury, BACKOFF),
    CELL(TRIAL, TIMER, pass, TRIAL), /* nothing was answered yet */
    CELL(TRIAL, WANT_LESS, drain, DRAINING),
    CELL(READY, TIMER, forgive, READY),
    CELL(READY, WANT_LESS, drain, DRAINING),
    CELL(SPARE, HEARTBEAT_OK, go_on, SPARE),
    CELL(SPARE, UNREADY, suspend, SUSPECT),
    CELL(SPARE, DEAD, replace, STOPPING),
    CELL(SPARE, REFUSED, doubt, SUSPECT),
    CELL(SPARE, EXITED, bury, BACKOFF),
    CELL(SPARE, TIMER, forgive, SPARE),
    CELL(SPARE, PLACED, join,
         SPARE), /* it has no place yet; with one it is tested in test_supervisor_spare.c */
    CELL(SPARE, WANT_LESS, stop, STOPPING),
    CELL(SUSPECT, HEARTBEAT_OK, join, READY),
    CELL2(SUSPECT, DEAD, replace, STOPPING, SUSPECT),
    CELL(SUSPECT, REFUSED, confirm, SUSPECT), /* the first one; twice is tested in test_supervisor.c */
    CELL2(SUSPECT, IMPOSTOR, replace, STOPPING, SUSPECT),
    CELL(SUSPECT, EXITED, bury, BACKOFF),
    CELL(SUSPECT, WANT_LESS, drain, DRAINING),
    CELL(DRAINING, EXITED, bury, GONE),
    CELL(DRAINING, TIMER, cut, STOPPING),
    CELL(DRAINING, DRAINED, finish, STOPPING),
    CELL2(STOPPING, EXITED, bury, BACKOFF, GONE), /* with a fixed driver only leaving rows get there */
    CELL(STOPPING, TIMER, kill, STOPPING),
    CELL(STOPPING, WANT_LESS, resign, STOPPING),
    CELL(BACKOFF, TIMER, start, STARTING),
    CELL(BACKOFF, WANT_LESS, leave, GONE),
};

static const struct expected *find(enum supervisor_state state, enum supervisor_event event)
{
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        if (expected[i].state == state && expected[i].event == event) {
            return &expected[i];
        }
    }
    return NULL;
}

/* The first row in that state. */
static struct row *bring(struct bench *b, enum config_driver driver, enum supervisor_state state)
{
    struct row *row;
    bench_open(b, driver, 1);
    row = bench_row(b, 0);
    if (state == SUPERVISOR_SPARE) {
        bench_want_spares(b, 1);
        bench_spare_up(b, bench_spare(b, 0));
        return bench_spare(b, 0);
    }
    if (state == SUPERVISOR_BACKOFF || state == SUPERVISOR_GONE) {
        bench_exited(b, row);
        if (state == SUPERVISOR_GONE) {
            row_dismiss(row, "test");
        }
        return row;
    }
    if (state == SUPERVISOR_STARTING) {
        return row;
    }
    bench_all_up(b);
    if (state == SUPERVISOR_EJECTED || state == SUPERVISOR_TRIAL) {
        row_event(row, ON_OUTLIER, "test");
    }
    if (state == SUPERVISOR_TRIAL) {
        row_event(row, ON_TIMER, "test");
    }
    if (state == SUPERVISOR_SUSPECT || (state == SUPERVISOR_STOPPING && driver == DRIVER_PROCESS)) {
        row_event(row, ON_UNREADY, "test");
    }
    if (state == SUPERVISOR_STOPPING && driver == DRIVER_PROCESS) {
        row_event(row, ON_DEAD, "test");
    }
    if (state == SUPERVISOR_DRAINING || (state == SUPERVISOR_STOPPING && driver == DRIVER_STATIC)) {
        row_dismiss(row, "test");
    }
    if (state == SUPERVISOR_STOPPING && driver == DRIVER_STATIC) {
        row_event(row, ON_TIMER, "test");
    }
    return row;
}

static void raise_event(struct bench *b, struct row *row, enum supervisor_event event, bool is_named)
{
    if (event == ON_STARTED && is_named) {
        bench_started(b, row);
    } else if (event == ON_HEARTBEAT_OK && row->state == SUPERVISOR_STARTING) {
        bench_up(b, row);
    } else if (event == ON_EXITED && is_named) {
        bench_exited(b, row);
    } else if (event == ON_WANT_LESS && is_named && !row->is_leaving) {
        row_dismiss(row, "test");
    } else {
        row_event(row, event, "test");
    }
}

static void try_cell(enum config_driver driver, enum supervisor_state state, enum supervisor_event event)
{
    struct bench b;
    struct row *row = bring(&b, driver, state);
    assert_int_equal(row->state, state);
    const struct expected *e = find(state, event);
    const struct cell *cell = supervisor_cell(state, event);
    uint64_t ignored = supervisor_ignored(b.s);
    print_message("%s x %s (%s)\n", supervisor_state_name(state), supervisor_event_name(event),
                  supervisor_driver(b.s));

    assert_true(cell->action == (e ? e->action : NULL));
    raise_event(&b, row, event, e != NULL);
    if (e) {
        assert_int_equal(row->state, driver == DRIVER_PROCESS ? e->process : e->fixed);
        assert_int_equal(supervisor_ignored(b.s), ignored);
    } else {
        assert_int_equal(row->state, state);
        assert_int_equal(supervisor_ignored(b.s), ignored + 1);
    }
    bench_close(&b);
}

static void try_all(enum config_driver driver)
{
    for (int state = 0; state < SUPERVISOR_STATE_COUNT; state++) {
        if (state == SUPERVISOR_SPARE && driver != DRIVER_PROCESS) {
            continue; /* where nothing is started there are no spares */
        }
        for (int event = 0; event < SUPERVISOR_EVENT_COUNT; event++) {
            try_cell(driver, (enum supervisor_state)state, (enum supervisor_event)event);
        }
    }
}

static void test_every_cell_with_processes(void **state)
{
    (void)state;
    try_all(DRIVER_PROCESS);
}

static void test_every_cell_with_fixed_replicas(void **state)
{
    (void)state;
    try_all(DRIVER_STATIC);
}

static void test_no_cell_leads_nowhere(void **unused)
{
    (void)unused;
    for (int state = 0; state < SUPERVISOR_STATE_COUNT; state++) {
        for (int event = 0; event < SUPERVISOR_EVENT_COUNT; event++) {
            const struct cell *cell =
                supervisor_cell((enum supervisor_state)state, (enum supervisor_event)event);
            assert_true(!cell->action ||
                        (cell->yes < SUPERVISOR_STATE_COUNT && cell->no < SUPERVISOR_STATE_COUNT));
        }
        assert_non_null(supervisor_state_name((enum supervisor_state)state));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_cell_leads_nowhere),
        cmocka_unit_test(test_every_cell_with_processes),
        cmocka_unit_test(test_every_cell_with_fixed_replicas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
