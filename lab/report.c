/*
 * report.c - set-up, A-1, A-2, A-3, the repeated runs and the simulations, told from their results.
 *
 * Owns     the sentences; every number in them comes from the results.
 * Used by  cmd_report.c.
 * Uses     page.h, jansson.
 * Thread   the program's main one.
 */
#include "lab/report.h"

#include <inttypes.h>
#include <string.h>

const char *report_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "-";
}

json_int_t report_count(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

double report_real(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : -1;
}

double report_real_in(const json_t *object, const char *inner, const char *name)
{
    return report_real(json_object_get(object, inner), name);
}

/* A number, or "-" where it is not known. */
static void cell(struct page *p, const char *format, double value)
{
    if (value < 0) {
        page_cell(p, "-");
        return;
    }
    char text[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, format, value);
#pragma GCC diagnostic pop
    page_cell(p, "%s", text);
}

static void header(struct page *p, const char *const *names)
{
    page_table(p);
    for (; *names; names++)
        page_cell(p, "%s", *names);
    page_row_end(p);
}

/* ------------------------------------------------------------------ set-up */

static void row(struct page *p, const char *name, const char *value)
{
    page_cell(p, "%s", name);
    page_cell(p, "%s", value);
    page_row_end(p);
}

void report_setup(struct page *p, const json_t *setup)
{
    if (!setup)
        return;
    const json_t *machine = json_object_get(setup, "machine"), *options = json_object_get(setup, "options"),
                 *value;
    const char *name;
    char text[64];
    page_heading(p, 2, "Set-up");
    page_text(
        p,
        "Everything below was measured on one machine: the load generator, the balancer and its replicas share its "
        "cores. Counts, shares and moved keys do not depend on that; times and rates do.");
    header(p, (const char *const[]){ "what", "value", NULL });
    row(p, "date", report_text(setup, "date"));
    row(p, "command", report_text(setup, "command"));
    json_object_foreach((json_t *)machine, name, value)
        if (json_is_string(value))
            row(p, name, json_string_value(value));
    snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, report_count(machine, "cores"));
    row(p, "cores", text);
    snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, report_count(setup, "workers"));
    row(p, "workers of the balancer", text);
    json_object_foreach(json_object_get(setup, "versions"), name, value)
        row(p, name, json_string_value(value));
    json_object_foreach((json_t *)options, name, value)
        if (json_is_number(value)) {
            snprintf(text, sizeof text, "%.10g", json_number_value(value));
            row(p, name, text);
        }
    page_table_end(p);
    if (json_is_string(json_object_get(setup, "configuration"))) {
        page_text(p, "The balancer's configuration at the start of the last command:");
        page_code(p, report_text(setup, "configuration"));
    }
}

/* ------------------------------------------------------------------ */

static void explain_a1(struct page *p, const json_t *a1)
{
    double ratio = report_real_in(a1, "spread", "max_over_mean"), mean = report_real_in(a1, "floor", "mean"),
           p95 = report_real_in(a1, "floor", "p95");
    page_text(
        p,
        "The fair share is %.1f. The busiest replica answered %.3f times that. A balancer that places every request by a "
        "perfect die reaches %.3f on average and stays below %.3f in 95 of 100 runs: this run %s.",
        report_real_in(a1, "spread", "mean"), ratio, mean, p95,
        ratio <= p95 ? "cannot be told from one"
                     : "is less even than chance explains, so the difference is the strategy's own");
    const json_t *load = json_object_get(a1, "load"), *generator = json_object_get(load, "generator");
    page_text(
        p,
        "%" JSON_INTEGER_FORMAT " requests failed. They took %.2f s, %.0f a second over %" JSON_INTEGER_FORMAT
        " connections in a closed loop. The generator itself used %.1f us of processor time a request, %.0f %% of one "
        "core; the balancer %.0f ms in all and %.0f KiB of memory.",
        report_count(load, "failed"), report_real(load, "seconds"), report_real(load, "rate"),
        report_count(generator, "connections"), report_real(generator, "cpu_us_a_request"),
        100 * report_real(generator, "share_of_a_core"), report_real(a1, "balancer_cpu_ms"),
        report_real(a1, "balancer_rss_kib"));
}

void report_a1(struct page *p, const json_t *a1)
{
    size_t i;
    json_t *part;
    if (!a1)
        return;
    page_heading(p, 2, "A-1: who answers how many");
    page_text(p,
              "%" JSON_INTEGER_FORMAT
              " requests, each with another six-digit id, over N = %" JSON_INTEGER_FORMAT
              " replicas, placed by %s, %s, %s.",
              report_count(json_object_get(a1, "load"), "requests"), report_count(a1, "n"),
              report_text(json_object_get(a1, "strategy"), "scheduler"),
              report_text(json_object_get(a1, "strategy"), "hash"),
              report_text(json_object_get(a1, "strategy"), "probe"));
    page_plot(p, "a1", "A-1: requests answered by each replica, beside the fair share");
    header(p, (const char *const[]){ "replica", "requests", "share %", "CPU ms", "CPU us a request",
                                     "RSS KiB", NULL });
    json_array_foreach(json_object_get(a1, "replicas"), i, part) {
        page_cell(p, "%s", report_text(part, "name"));
        page_cell(p, "%" JSON_INTEGER_FORMAT, report_count(part, "requests"));
        cell(p, "%.2f", 100 * report_real(part, "requests") / report_real_in(a1, "spread", "total"));
        cell(p, "%.0f", report_real(part, "cpu_ms"));
        cell(p, "%.1f", report_real(part, "cpu_us_a_request"));
        cell(p, "%.0f", report_real(part, "rss_kib"));
        page_row_end(p);
    }
    page_table_end(p);
    explain_a1(p, a1);
    page_plot(p, "a1_latency",
              "A-1: percentiles of the time from sending a request to the end of its answer");
}

/* ------------------------------------------------------------------ */

static void a2_table(struct page *p, const json_t *a2)
{
    size_t i;
    json_t *step;
    header(p, (const char *const[]){ "N", "by", "mean", "least", "most", "std. deviation", "max/mean",
                                     "chance alone", "moved %", "minimum %", "in vain %", "failed", NULL });
    json_array_foreach(json_object_get(a2, "steps"), i, step) {
        double moved = report_real(step, "moved"), minimum = report_real(step, "moved_minimum"),
               in_vain = report_real(step, "moved_in_vain");
        page_cell(p, "%" JSON_INTEGER_FORMAT, report_count(step, "n"));
        page_cell(p, "%s", i ? report_text(step, "by") : "start");
        cell(p, "%.1f", report_real_in(step, "spread", "mean"));
        cell(p, "%.0f", report_real_in(step, "spread", "min"));
        cell(p, "%.0f", report_real_in(step, "spread", "max"));
        cell(p, "%.1f", report_real_in(step, "spread", "stddev"));
        cell(p, "%.3f", report_real_in(step, "spread", "max_over_mean"));
        cell(p, "%.3f", report_real_in(step, "floor", "mean"));
        cell(p, "%.2f", 100 * moved);
        cell(p, "%.2f", 100 * minimum);
        cell(p, "%.2f", 100 * in_vain);
        cell(p, "%.0f", report_real_in(step, "load", "failed"));
        page_row_end(p);
    }
    page_table_end(p);
}

/* The least and the most of what the replicas of a step used. Unknown is left empty. */
static void range_cell(struct page *p, const json_t *step, const char *name, int decimals)
{
    size_t i;
    json_t *replica;
    double least = 0, most = 0;
    bool known = false;
    json_array_foreach(json_object_get(step, "replicas"), i, replica) {
        json_t *value = json_object_get(replica, name);
        if (!json_is_number(value))
            continue;
        double v = json_number_value(value);
        least = !known || v < least ? v : least;
        most = !known || v > most ? v : most;
        known = true;
    }
    if (known)
        page_cell(p, "%.*f to %.*f", decimals, least, decimals, most);
    else
        page_cell(p, "-");
}

static void a2_costs(struct page *p, const json_t *a2)
{
    size_t i;
    json_t *step;
    page_text(p, "What a replica used, least and most; each of them stands in a2/counts.csv.");
    header(p, (const char *const[]){ "N", "by", "CPU ms of a replica", "CPU us a request",
                                     "RSS KiB of a replica", "CPU ms of the balancer", "its RSS KiB", NULL });
    json_array_foreach(json_object_get(a2, "steps"), i, step) {
        page_cell(p, "%" JSON_INTEGER_FORMAT, report_count(step, "n"));
        page_cell(p, "%s", i == 0 ? "start" : report_text(step, "by"));
        range_cell(p, step, "cpu_ms", 0);
        range_cell(p, step, "cpu_us_a_request", 1);
        range_cell(p, step, "rss_kib", 0);
        cell(p, "%.0f", report_real(step, "balancer_cpu_ms"));
        cell(p, "%.0f", report_real(step, "balancer_rss_kib"));
        page_row_end(p);
    }
    page_table_end(p);
}

static void explain_a2(struct page *p, const json_t *a2)
{
    size_t i;
    json_t *step;
    double in_vain = 0, most = 0;
    json_int_t at = 0;
    bool was_taken_back = false;
    json_array_foreach(json_object_get(a2, "steps"), i, step) {
        double v = report_real(step, "moved_in_vain"),
               ratio = report_real_in(step, "spread", "max_over_mean");
        in_vain = v > in_vain ? v : in_vain;
        if (ratio > most)
            most = ratio, at = report_count(step, "n");
        was_taken_back = strcmp(report_text(step, "by"), "rm") == 0;
    }
    page_text(
        p,
        "The mean is the number of requests divided by N, whatever the balancer does: a falling curve of means says "
        "nothing about it. What it decides is how far the busiest replica is above the mean: at worst %.3f times, at "
        "N = %" JSON_INTEGER_FORMAT ".",
        most, at);
    if (json_is_true(json_object_get(a2, "keyed")))
        page_text(
            p,
            "Each step sends the same ids, so a key has moved when another replica answers it than before. A newcomer "
            "that takes its fair share takes 1/N of all keys; none of the others needs to move. The most that moved "
            "in vain, from one old replica to another, was %.2f %% of the keys.%s",
            100 * in_vain,
            in_vain == 0 && was_taken_back
                ? " So /rm put every key back where it had been before the /add: nothing but the keys of "
                  "the one that came or went was disturbed."
                : "");
}

void report_a2(struct page *p, const json_t *a2)
{
    if (!a2)
        return;
    page_heading(p, 2, "A-2: as N grows from 2 to 6, and back to 5");
    page_plot(p, "a2", "A-2: mean, standard deviation and least to most loaded replica");
    page_plot(p, "a2_ratio", "A-2: busiest replica beside the mean; what chance alone would do is grey");
    page_plot(p, "a2_moved", "A-2: keys that moved, beside the minimum");
    a2_table(p, a2);
    explain_a2(p, a2);
    a2_costs(p, a2);
}

/* ------------------------------------------------------------------ */

static void a3_calls(struct page *p, const json_t *a3)
{
    size_t i;
    json_t *call;
    page_heading(p, 3, "Every endpoint");
    header(p, (const char *const[]){ "call", "body", "status", "ms", "answer (its beginning)",
                                     "what it shows", NULL });
    json_array_foreach(json_object_get(a3, "calls"), i, call) {
        page_cell(p, "%s %s", report_text(call, "method"), report_text(call, "path"));
        page_cell(p, "%s", report_text(call, "body"));
        page_cell(p, "%" JSON_INTEGER_FORMAT "%s", report_count(call, "status"),
                  json_is_true(json_object_get(call, "as_expected")) ? "" : " (NOT as the contract says)");
        cell(p, "%.2f", report_real(call, "ms"));
        page_cell(p, "%.160s", report_text(call, "answer"));
        page_cell(p, "%s", report_text(call, "shows"));
        page_row_end(p);
    }
    page_table_end(p);
}

static void a3_incident(struct page *p, const json_t *row)
{
    const char *kind = report_text(row, "incident"), *stand_in = report_text(row, "stand_in");
    char name[32];
    snprintf(name, sizeof name, "a3_%s", kind);
    page_heading(p, 3,
                 strcmp(kind, "kill") == 0    ? "A replica is killed"
                 : strcmp(kind, "pause") == 0 ? "A replica stands still for 1.5 s"
                                              : "A replica stands still for good");
    page_plot(
        p, name,
        "A-3: answers of each replica in tenths of a second, and how long requests took that were due then");
    page_text(
        p,
        "%" JSON_INTEGER_FORMAT " requests at %.0f a second, each at its time; %" JSON_INTEGER_FORMAT
        " failed. %s was out of rotation %.1f ms after the signal and N replicas were ready again after %.1f ms.",
        report_count(row, "requests"), report_real(row, "rate"), report_count(row, "failed"),
        report_text(row, "victim"), report_real(row, "out_of_rotation_ms"), report_real(row, "n_again_ms"));
    if (*stand_in)
        page_text(p, "Its stand-in %s gave its first answer after %.1f ms.", stand_in,
                  report_real(row, "first_answer_of_stand_in_ms"));
    page_text(
        p,
        "%" JSON_INTEGER_FORMAT
        " requests took more than 100 ms from when they were due, the slowest %.0f ms.%s",
        report_count(row, "slower_than_100_ms"), report_real(row, "slowest_ms"),
        strcmp(kind, "kill") == 0
            ? " A process that ends closes its connections: what it had not answered went to another replica at once."
        : strcmp(kind, "pause") == 0
            ? " A process that stands still keeps its connections open: what it was given before it left rotation "
              "waits until it goes on, and is answered then, for a busy replica is not a dead one. With retry.move = "
              "\"unready\" it would be sent to another as soon as the replica leaves rotation."
            : " A process that stands still keeps its connections open: what it was given before it left rotation "
              "waits. The slowest is the first of these. It waits until health.dead_after heartbeats are missing "
              "(20, a quarter of a second apart, unless lb.conf says otherwise); then the replica is dead, and what "
              "may be repeated is answered by another at once. With retry.move = \"unready\" that is as soon as the "
              "replica leaves rotation.");
}

void report_a3(struct page *p, const json_t *a3)
{
    size_t i;
    json_t *incident;
    json_int_t failed = 0;
    if (!a3)
        return;
    page_heading(p, 2, "A-3: endpoints, and replicas that fail");
    json_array_foreach(json_object_get(a3, "incidents"), i, incident)
        failed += report_count(incident, "failed");
    page_text(p, "Of all requests around the incidents %" JSON_INTEGER_FORMAT " failed (the goal is none).",
              failed);
    header(p, (const char *const[]){ "incident", "requests", "failed", "out of rotation ms", "N again ms",
                                     "first answer of the stand-in ms", "over 100 ms", "slowest ms", NULL });
    json_array_foreach(json_object_get(a3, "incidents"), i, incident) {
        page_cell(p, "%s", report_text(incident, "incident"));
        page_cell(p, "%" JSON_INTEGER_FORMAT, report_count(incident, "requests"));
        page_cell(p, "%" JSON_INTEGER_FORMAT, report_count(incident, "failed"));
        cell(p, "%.1f", report_real(incident, "out_of_rotation_ms"));
        cell(p, "%.1f", report_real(incident, "n_again_ms"));
        cell(p, "%.1f", report_real(incident, "first_answer_of_stand_in_ms"));
        page_cell(p, "%" JSON_INTEGER_FORMAT, report_count(incident, "slower_than_100_ms"));
        cell(p, "%.0f", report_real(incident, "slowest_ms"));
        page_row_end(p);
    }
    page_table_end(p);
    json_array_foreach(json_object_get(a3, "incidents"), i, incident)
        a3_incident(p, incident);
    a3_calls(p, a3);
}

/* ------------------------------------------------------------------ repeated runs */

void report_accept(struct page *p, const json_t *accept)
{
    size_t i;
    json_t *r;
    if (!accept)
        return;
    page_heading(p, 2, "Medians of repeated runs");
    page_text(
        p,
        "%" JSON_INTEGER_FORMAT " runs of %" JSON_INTEGER_FORMAT
        " requests each, with other ids every time: one run alone is mostly chance. Exact: over all 900,000 "
        "six-digit ids, asked of the strategy in process.",
        report_count(accept, "repeat"), report_count(accept, "requests"));
    header(p, (const char *const[]){ "strategy", "N", "median of max/mean", "least", "most", "chance alone",
                                     "exact", "bound kept", NULL });
    json_array_foreach(json_object_get(accept, "rows"), i, r) {
        if (report_real(r, "median") < 0)
            continue;
        page_cell(p, "%s", report_text(r, "strategy"));
        page_cell(p, "%" JSON_INTEGER_FORMAT, report_count(r, "n"));
        cell(p, "%.4f", report_real(r, "median"));
        cell(p, "%.4f", report_real(r, "least"));
        cell(p, "%.4f", report_real(r, "most"));
        cell(p, "%.4f", report_real(r, "floor"));
        cell(p, "%.4f", report_real(r, "exact"));
        page_cell(p, "%s", json_is_true(json_object_get(r, "held")) ? "yes" : "NO");
        page_row_end(p);
    }
    page_table_end(p);
    json_array_foreach(json_object_get(accept, "rows"), i, r)
        if (report_real(r, "in_flight_max_over_mean") >= 0)
            page_text(
                p,
                "p2c, N = %" JSON_INTEGER_FORMAT
                ": the busiest replica holds %.2f times the mean of the requests in "
                "flight, %.1f above it; by chance alone (the preset random) it is %.2f times and %.1f above.",
                report_count(r, "n"), report_real(r, "in_flight_max_over_mean"),
                report_real(r, "in_flight_above_mean"), report_real(r, "random_max_over_mean"),
                report_real(r, "random_above_mean"));
    json_array_foreach(json_object_get(accept, "rows"), i, r)
        if (report_real(r, "wrk_rate") > 0)
            page_text(
                p,
                "The load generator beside wrk (one thread each, the same target, turn by turn): %.0f and %.0f requests a "
                "second, %.2f times; it uses %.1f us of processor time a request.",
                report_real(r, "rate"), report_real(r, "wrk_rate"),
                report_real(r, "rate") / report_real(r, "wrk_rate"), report_real(r, "cpu_us_a_request"));
}

/* ------------------------------------------------------------------ without a network */

void report_simulate(struct page *p, const json_t *simulate)
{
    size_t i;
    json_t *r;
    if (!simulate)
        return;
    page_heading(p, 2, "Without a network");
    page_text(
        p,
        "`ringlab simulate` sends %" JSON_INTEGER_FORMAT
        " keys (%s) through the same plugins in process. In vain: of the "
        "keys, those that moved though nobody they belonged to came or went. A pick's time has key and hash in it.",
        report_count(simulate, "requests"), report_text(simulate, "keys"));
    header(p,
           (const char *const[]){ "strategy", "N", "max/mean", "add moved %", "in vain %", "remove moved %",
                                  "in vain %", "pick ns", "build ms", "table KiB", NULL });
    json_array_foreach(json_object_get(simulate, "results"), i, r) {
        double added = report_real(r, "add_moved"), in_vain = report_real(r, "add_excess"),
               removed = report_real(r, "remove_moved"), removed_in_vain = report_real(r, "remove_excess");
        page_cell(p, "%s", report_text(r, "strategy"));
        page_cell(p, "%" JSON_INTEGER_FORMAT, report_count(r, "replicas"));
        cell(p, "%.4f", report_real(r, "max_over_mean"));
        cell(p, "%.2f", 100 * added);
        cell(p, "%.2f", 100 * in_vain);
        cell(p, "%.2f", 100 * removed);
        cell(p, "%.2f", 100 * removed_in_vain);
        cell(p, "%.1f", report_real(r, "pick_ns"));
        cell(p, "%.2f", report_real(r, "build_ms"));
        cell(p, "%.0f", report_real(r, "table_kib"));
        page_row_end(p);
    }
    page_table_end(p);
}
