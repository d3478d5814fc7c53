/*
 * graph.c - /performancegraph: how many requests each replica was given, and how they ended, as a picture.
 *
 * Owns     the shape of the picture.
 * Used by  routes.c.
 * Uses     supervisor.h for rows, publish.h for the strategy's name, world/stats.h for sums; call.h for text.
 * Thread   control.
 *
 * Bars lie, one below the other, so that names stay readable however many replicas there are; the picture grows downwards.
 * The colours are told apart by their lightness alone (dark, light, between), whatever colours an eye can see, and each bar
 * has its number beside it.
 */
#include "control/graph.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/call.h"
#include "control/publish.h"
#include "control/routes.h"
#include "control/supervisor.h"
#include "world/plugin.h"
#include "world/replica.h"
#include "world/stats.h"
#include "world/strategy.h"

enum { /* in pixels */
       WIDTH = 960,
       LEFT = 216,  /* of the bars; names stand before it */
       RIGHT = 96,  /* room for the number behind the longest bar */
       TOP = 128,   /* title, legend, the upper axis */
       BOTTOM = 56, /* the lower axis and its name */
       SPAN = WIDTH - LEFT - RIGHT,
};
enum { NAME_SHOWN = 22, TICKS_MOST = 6, MANY = 16 };

enum series { TOTAL, SUCCESS, FAILURE, SERIES };

static const struct {
    const char *class, *legend;
} series[SERIES] = {
    [TOTAL] = { "t", "total" },
    [SUCCESS] = { "s", "success: answered, status below 400" },
    [FAILURE] = { "f", "failure: status 400 and up, or no usable answer" },
};

static const char style[] =
    "<style>text{font-family:system-ui,-apple-system,'Segoe UI','Helvetica Neue',Arial,sans-serif;fill:#222}"
    ".t{fill:#3b3b3b}.s{fill:#56b4e9}.f{fill:#d55e00}"
    "line{stroke:#ddd}.n{text-anchor:end;font-size:13px}.a{text-anchor:middle;font-size:12px}"
    ".b{stroke:#888}</style>\n";

/* What does not depend on the number of replicas, and what does. */
struct picture {
    FILE *out;
    unsigned bar, gap; /* heights in pixels */
    unsigned height, bottom;
    uint64_t most, step; /* right end of the axis; from tick to tick */
};

/* ------------------------------------------------------------------ text */

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* What XML 1.0 does not allow in a text, however it is escaped: control characters, U+FFFE and U+FFFF. Returns its length
 * in bytes; 0: c is fine. */
static size_t illegal_len(const char *c)
{
    if ((unsigned char)*c < 0x20 || *c == 0x7f)
        return 1;
    return memcmp(c, "\xef\xbf", 2) == 0 && (unsigned char)c[2] >= 0xbe ? 3 : 0;
}

/* Any bytes as text of an XML document, at most `most` characters of them and an ellipsis. */
static void write_text(FILE *out, const char *text, size_t most)
{
    json_t *whole = json_any_text(text); /* what is not UTF-8 becomes '?' */
    const char *c = json_string_value(whole);
    for (size_t shown = 0; *c; shown++) {
        if (shown == most) {
            fputs("\xe2\x80\xa6", out);
            break;
        }
        size_t illegal = illegal_len(c);
        if (illegal) {
            fputc('?', out);
            c += illegal;
            continue;
        }
        switch (*c) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        case '\'': fputs("&#39;", out); break;
        default: fputc(*c, out);
        }
        while (is_continuation(*++c))
            fputc(*c, out);
    }
    json_decref(whole);
}

/* "1,234,567" */
static const char *write_number(char text[32], uint64_t value)
{
    char *at = text + 31;
    *at = '\0';
    for (unsigned digits = 0; digits == 0 || value; digits++, value /= 10) {
        if (digits && digits % 3 == 0)
            *--at = ',';
        *--at = (char)('0' + value % 10);
    }
    return at;
}

/* ------------------------------------------------------------------ the picture, from top to bottom */

/* Ticks at 1, 2 or 5 times a power of ten, few enough to be read, the last one at or beyond `largest`. */
static void choose_axis(struct picture *p, uint64_t largest)
{
    static const unsigned factors[] = { 2, 5, 10 };
    uint64_t power = 1;
    p->step = 1;
    for (size_t i = 0; largest / p->step + (largest % p->step != 0) > TICKS_MOST; i++) {
        p->step = power * factors[i % 3];
        if (i % 3 == 2)
            power *= 10;
    }
    p->most = largest ? (largest + p->step - 1) / p->step * p->step : 1;
}

static double position(const struct picture *p, uint64_t value)
{
    return LEFT + (double)value / (double)p->most * SPAN;
}

static void draw_title(struct picture *p, const char *subtitle, uint64_t total)
{
    char number[32];
    fprintf(
        p->out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\" role=\"img\">\n"
        "<title>Requests of each replica</title>\n%s<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
        "<text x=\"24\" y=\"32\" font-size=\"20\" font-weight=\"600\">Requests of each replica</text>\n"
        "<text x=\"24\" y=\"54\" font-size=\"13\">",
        WIDTH, p->height, WIDTH, p->height, style);
    write_text(p->out, subtitle, SIZE_MAX);
    fprintf(p->out, " \xc2\xb7 %s requests in all</text>\n", write_number(number, total));
}

static void draw_legend(struct picture *p)
{
    static const unsigned at[SERIES] = { 24, 110, 400 };
    for (int i = 0; i < SERIES; i++)
        fprintf(
            p->out,
            "<rect class=\"%s\" x=\"%u\" y=\"72\" width=\"14\" height=\"12\"/><text x=\"%u\" y=\"83\" font-size=\"13\">%s"
            "</text>\n",
            series[i].class, at[i], at[i] + 20, series[i].legend);
}

static void draw_axis(struct picture *p)
{
    char number[32];
    for (uint64_t tick = 0;; tick += p->step) {
        double x = position(p, tick);
        const char *text = write_number(number, tick);
        fprintf(
            p->out,
            "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%u\"%s/><text class=\"a\" x=\"%.1f\" y=\"%d\">%s</text>"
            "<text class=\"a\" x=\"%.1f\" y=\"%u\">%s</text>\n",
            x, x, TOP - 8, p->bottom, tick ? "" : " class=\"b\"", x, TOP - 14, text, x, p->bottom + 18, text);
        if (p->most - tick < p->step)
            break;
    }
    fprintf(p->out, "<text class=\"a\" x=\"%d\" y=\"%u\">requests</text>\n", LEFT + SPAN / 2, p->bottom + 40);
}

static void draw_row(struct picture *p, const struct graph_row *row, size_t index)
{
    const uint64_t values[SERIES] = {
        [TOTAL] = row->success + row->failure,
        [SUCCESS] = row->success,
        [FAILURE] = row->failure,
    };
    unsigned y = TOP + (unsigned)index * (SERIES * p->bar + p->gap);
    unsigned size = p->bar < 12 ? 10 : 12; /* of a number's letters */
    char number[32];
    fputs("<g><title>", p->out);
    write_text(p->out, row->name, SIZE_MAX);
    fprintf(p->out, "</title><text class=\"n\" x=\"%d\" y=\"%u\">", LEFT - 10, y + SERIES * p->bar / 2 + 5);
    write_text(p->out, row->name, NAME_SHOWN);
    fputs("</text>", p->out);
    for (unsigned i = 0; i < SERIES; i++, y += p->bar) {
        double end = position(p, values[i]);
        fprintf(p->out,
                "<rect class=\"%s\" x=\"%d\" y=\"%u\" width=\"%.1f\" height=\"%u\"/>"
                "<text x=\"%.1f\" y=\"%u\" font-size=\"%u\">%s</text>",
                series[i].class, LEFT, y, end - LEFT, p->bar - 1, end + 5, y + p->bar - 2, size,
                write_number(number, values[i]));
    }
    fputs("</g>\n", p->out);
}

char *graph_render(const struct graph_row *rows, size_t n, const char *subtitle, size_t *len)
{
    char *text = NULL;
    struct picture p = { .out = open_memstream(&text, len),
                         .bar = n > MANY ? 10 : 14,
                         .gap = n > MANY ? 8 : 14 };
    uint64_t total = 0, largest = 0;
    assert(p.out); /* only memory can be wanting */
    for (size_t i = 0; i < n; i++) {
        uint64_t sum = rows[i].success + rows[i].failure;
        total += sum;
        largest = sum > largest ? sum : largest;
    }
    p.bottom = TOP + (unsigned)n * (SERIES * p.bar + p.gap);
    p.height = p.bottom + BOTTOM;
    choose_axis(&p, largest);
    draw_title(&p, subtitle, total);
    draw_legend(&p);
    draw_axis(&p);
    for (size_t i = 0; i < n; i++)
        draw_row(&p, &rows[i], i);
    fputs("</svg>\n", p.out);
    fclose(p.out);
    return text;
}

/* ------------------------------------------------------------------ the call */

static void fill_row(const struct supervisor_info *info, struct graph_row *row)
{
    row->name = info->name;
    if (!info->replica)
        return;
    struct replica_totals sum;
    stats_sum_replica(info->replica->lines, info->replica->n_workers, &sum);
    /* A reply that broke off within its body is an answer that has failed: it counts as both. */
    row->success = sum.status_2xx + sum.status_3xx;
    row->failure = sum.status_4xx + sum.status_5xx + sum.failed;
}

/* "3 replicas · scheduler_ring, hash_murmur, probe_linear" */
static char *describe(const struct routes *r, size_t n)
{
    const struct strategy *s = publish_strategy(r->publish);
    bool hash = s->hash && s->caps & LB_CAP_NEEDS_HASH, probe = s->probe && s->caps & LB_CAP_NEEDS_PROBE;
    return mem_format("%zu replica%s \xc2\xb7 %s%s%s%s%s", n, n == 1 ? "" : "s", s->scheduler->info->name,
                      hash ? ", " : "", hash ? s->hash->info->name : "", probe ? ", " : "",
                      probe ? s->probe->info->name : "");
}

void graph_show(struct call *call)
{
    const struct routes *r = call->routes;
    struct supervisor_info *infos;
    size_t n = supervisor_list(r->supervisor, &infos), len;
    struct graph_row *rows = mem_zero(n + 1, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        fill_row(&infos[i], &rows[i]);
    char *subtitle = describe(r, n);
    char *svg = graph_render(rows, n, subtitle, &len);
    call_answer_typed(call, 200, "image/svg+xml", svg, len);
    free(svg);
    free(subtitle);
    free(rows);
    free(infos);
}
