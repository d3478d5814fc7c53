/*
 * report_a4.c - A-4: the strategies side by side, and why they differ.
 *
 * Owns     the sentences; every number in them comes from the results.
 * Used by  cmd_report.c.
 * Uses     page.h, the rings' CSV files.
 * Thread   the program's main one.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/report.h"

static void cell(struct page *p, double value, int decimals)
{
    if (value < 0)
        page_cell(p, "-");
    else
        page_cell(p, "%.*f", decimals, value);
}

static void table(struct page *p, const json_t *a4)
{
    static const char *const names[] = { "strategy",       "scheduler",   "hash",
                                         "max/mean N = 3", "exact N = 3", "max/mean N = 6",
                                         "exact N = 6",    "moved %",     "minimum %",
                                         "in vain %",      "pick ns",     "hash ns",
                                         "build ms",       "table bytes", "in flight max/mean",
                                         "failed" };
    size_t i;
    json_t *row;
    page_table(p);
    for (i = 0; i < sizeof names / sizeof *names; i++)
        page_cell(p, "%s", names[i]);
    page_row_end(p);
    json_array_foreach(json_object_get(a4, "strategies"), i, row) {
        double moved = report_real(row, "moved"), minimum = report_real(row, "moved_minimum"),
               in_vain = report_real(row, "moved_in_vain");
        page_cell(p, "%s", report_text(row, "name"));
        page_cell(p, "%s", report_text(row, "scheduler"));
        page_cell(p, "%s", report_text(row, "hash"));
        cell(p, report_real(row, "max_over_mean_3"), 3);
        cell(p, report_real(row, "expected_3"), 3);
        cell(p, report_real(row, "max_over_mean_6"), 3);
        cell(p, report_real(row, "expected_6"), 3);
        cell(p, 100 * moved, 2);
        cell(p, 100 * minimum, 2);
        cell(p, 100 * in_vain, 2);
        cell(p, report_real(row, "pick_ns"), 1);
        cell(p, report_real(row, "key_ns"), 1);
        cell(p, report_real(row, "build_ms"), 2);
        cell(p, report_real(row, "table_bytes"), 0);
        cell(p, report_real(row, "in_flight_max_over_mean"), 2);
        cell(p, report_real(row, "failed"), 0);
        page_row_end(p);
    }
    page_table_end(p);
}

/* ------------------------------------------------------------------ why */

static const json_t *find(const json_t *a4, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(a4, "strategies"), i, row)
        if (strcmp(report_text(row, "name"), name) == 0 && report_real(row, "max_over_mean_3") >= 0)
            return row;
    return NULL;
}

/* The longest stretch of slots with one owner, round the circle, and the two slots between which all others begin. */
struct arc {
    unsigned slots, longest, owner, from, to;
};

static bool read_arc(struct page *p, const char *name, struct arc *a)
{
    char *path = mem_format("%s/a4/%s/ring.csv", p->out->folder, name), line[128];
    FILE *f = fopen(path, "r");
    unsigned owners[4096], n = 0, run = 0;
    free(path);
    while (f && fgets(line, sizeof line, f) && n < 4096)
        n += sscanf(line, "%*f,%*u,%u", &owners[n]) == 1;
    if (f)
        fclose(f);
    *a = (struct arc){ .slots = n };
    for (unsigned i = 0; n && i < 2 * n; i++) {
        run = i && owners[i % n] == owners[(i - 1) % n] ? run + 1 : 1;
        if (run > a->longest && run <= n)
            *a = (struct arc){ n, run, owners[i % n], (i + 1) % n, (i + n - run) % n };
    }
    return n > 0;
}

static void explain_assignment(struct page *p, const json_t *a4)
{
    const json_t *row = find(a4, "assignment"), *ring = json_object_get(row, "ring");
    struct arc a;
    if (!row)
        return;
    page_heading(p, 3, "Why the assignment's ring is uneven");
    if (report_count(ring, "slots"))
        page_text(
            p,
            "H(i) = i^2 + 2i + 17 = (i + 1)^2 + 16, taken modulo %" JSON_INTEGER_FORMAT
            ". Squares are few: modulo a power of two most numbers are none. Sent through the plugin, ids in a row fall on "
            "%" JSON_INTEGER_FORMAT " of the %" JSON_INTEGER_FORMAT
            " slots; the fullest of them takes %.2f %% of all keys, where an even hash would give it %.2f %%.",
            report_count(ring, "slots"), report_count(ring, "reached"), report_count(ring, "slots"),
            100 * report_real(ring, "fullest_slot"), 100.0 / (double)report_count(ring, "slots"));
    if (read_arc(p, "assignment", &a))
        page_text(
            p,
            "PHI(i, j) = i^2 + j^2 + 2j + 25 = i^2 + (j + 1)^2 + 24. Replicas with neighbouring ids differ by i^2 alone, "
            "which is 1, 4, 9 for the first three, so copy j of each lies within a few slots of copy j of the others, and "
            "nine copies reach no further than 80 slots: the places bunch. On the ring as it was built, every change of "
            "owner lies between slot %u and slot %u; the other %u slots in a row, %.1f %% of the circle, belong to Server "
            "%u alone, whose copy is the first behind the gap.",
            a.from, a.to, a.longest, 100.0 * a.longest / a.slots, a.owner);
    page_text(
        p,
        "The two together: exact shares over all six-digit ids give max/mean %.3f at N = 3 and %.3f at N = 6; measured were "
        "%.3f and %.3f. More replicas make it worse, for the newcomers squeeze into the same bunch.",
        report_real(row, "expected_3"), report_real(row, "expected_6"), report_real(row, "max_over_mean_3"),
        report_real(row, "max_over_mean_6"));
}

static void explain_rings(struct page *p, const json_t *a4)
{
    const json_t *same = find(a4, "ring-512-murmur"), *more = find(a4, "ring-160"),
                 *shipped = find(a4, "shipped"), *md5 = find(a4, "md5-512"), *many = find(a4, "md5-1024");
    if (same && shipped && more)
        page_text(
            p,
            "A good hash is half of it. The same 512 slots and nine copies with murmur (ring-512-murmur) reach max/mean "
            "%.3f at N = 3: keys are even now, the gaps between 27 places are not. With 160 copies on 2^32 slots "
            "(ring-160) it is %.3f, with 1,000 (shipped) %.3f. These are exact values; one run differs by chance.",
            report_real(same, "expected_3"), report_real(more, "expected_3"),
            report_real(shipped, "expected_3"));
    if (md5 && many)
        page_text(p, "The same holds for md5: %.3f with 9 copies on 512 slots, %.3f with 100 on 1,024.",
                  report_real(md5, "expected_3"), report_real(many, "expected_3"));
}

static void explain_others(struct page *p, const json_t *a4)
{
    const json_t *maglev = find(a4, "maglev"), *modulo = find(a4, "modulo"), *turn = find(a4, "round-robin"),
                 *bounded = find(a4, "bounded"), *p2c = find(a4, "p2c"), *random = find(a4, "random");
    if (maglev)
        page_text(
            p,
            "Maglev gives every replica the same number of slots to within one (exact max/mean %.3f at N = 6); what a "
            "run shows beyond that is the sampling of its keys. It pays with keys that move in vain: %.2f %%.",
            report_real(maglev, "expected_6"), 100 * report_real(maglev, "moved_in_vain"));
    if (modulo)
        page_text(
            p,
            "hash mod N is as even as can be and moves %.1f %% of the keys a step, of which %.1f %% in vain: balance "
            "without memory.",
            100 * report_real(modulo, "moved"), 100 * report_real(modulo, "moved_in_vain"));
    if (turn)
        page_text(
            p,
            "Round robin is even to the request (%.3f) and knows no keys: for it, moved keys mean nothing.",
            report_real(turn, "max_over_mean_6"));
    if (bounded)
        page_text(
            p,
            "bounded (c = %.2f) is the shipped ring as long as nobody holds more than its bound of the requests that run. "
            "Under a closed loop on few cores the bound is met all the time, and counts then follow how fast each "
            "replica is at that moment (max/mean %.3f, and keys that \"move\" because their replica was full): that is "
            "its purpose, not a fault of the ring beneath, whose exact value is %.3f.",
            report_real(bounded, "bounded_load"), report_real(bounded, "max_over_mean_3"),
            report_real(bounded, "expected_3"));
    if (p2c && random && report_real(p2c, "in_flight_max_over_mean") >= 0)
        page_text(
            p,
            "Schedulers that go by load are not judged by counts: with ten replicas that take 10 ms each, the busiest "
            "holds %.2f times the mean of the requests in flight with two choices (p2c), and %.2f times with one "
            "(random).",
            report_real(p2c, "in_flight_max_over_mean"), report_real(random, "in_flight_max_over_mean"));
}

/* ------------------------------------------------------------------ what others published */

/* A-2 of the program whose ring md5-1024.conf is, request ids 1 to 10,000, as its authors print it. */
static void published(struct page *p, const json_t *a4)
{
    static const struct {
        unsigned n;
        const char *counts;
        double max_over_mean;
    } rows[] = {
        { 2, "5412 4588", 5412 / 5000.0 },
        { 3, "3650 3412 2938", 3650 / (10000 / 3.0) },
        { 4, "2605 2588 2171 2636", 2636 / 2500.0 },
        { 5, "2148 2104 1773 1976 1999", 2148 / 2000.0 },
        { 6, "1616 1793 1538 1627 1760 1666", 1793 / (10000 / 6.0) },
    };
    const json_t *row = find(a4, "md5-1024");
    if (!row)
        return;
    page_heading(p, 3, "Published figures");
    page_text(
        p,
        "Of the balancers written for the same assignment one prints counts that can be checked: md5 on 1,024 slots with "
        "100 copies, request ids 1 to 10,000 (source: the header of conf/presets/md5-1024.conf, whose counts the tests "
        "repeat exactly). They add up to 10,000 at each N, so they do not contradict themselves. Beside them, exact "
        "over all six-digit ids: %.3f at N = 3, %.3f at N = 6.",
        report_real(row, "expected_3"), report_real(row, "expected_6"));
    page_table(p);
    page_cell(p, "N");
    page_cell(p, "published counts");
    page_cell(p, "max/mean");
    page_row_end(p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        page_cell(p, "%u", rows[i].n);
        page_cell(p, "%s", rows[i].counts);
        page_cell(p, "%.3f", rows[i].max_over_mean);
        page_row_end(p);
    }
    page_table_end(p);
}

void report_a4(struct page *p, const json_t *a4)
{
    if (!a4)
        return;
    page_heading(p, 2, "A-4: the strategies side by side");
    page_text(
        p,
        "Each is a copy of lb.conf with another group `strategy`, taken by POST /reload while the balancer runs. Moved keys "
        "are the mean over the steps from 2 to 6 replicas. \"Exact\" asks the strategy in process about all 900,000 "
        "six-digit ids. Pick and hash times were measured when the balancer tried the plugins out.");
    page_plot(p, "a4", "A-4: max/mean of every strategy");
    page_plot(p, "a4_lines", "A-4: max/mean as N grows");
    table(p, a4);
    explain_assignment(p, a4);
    explain_rings(p, a4);
    explain_others(p, a4);
    published(p, a4);
    page_plot(p, "rings", "A-4: rings with few slots, and the shipped one");
    page_plot(p, "a4_counts", "A-4: A-1 for every strategy");
    page_plot(p, "a4_steps", "A-4: A-2 for every strategy");
}
