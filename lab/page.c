/*
 * page.c - HTML and Markdown at once: see page.h.
 *
 * Owns     the page's style.
 * Used by  report*.c.
 * Uses     out.h.
 * Thread   the program's main one.
 */
#include "lab/page.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct {
    bool open;
    unsigned row, cell, header_cells;
} table; /* the one being written */

static const char style[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#202020}"
    "h1,h2,h3{line-height:1.2;margin-top:2em}h1{margin-top:0}"
    "table{border-collapse:collapse;margin:1em 0;font-size:13px;display:block;overflow-x:auto}"
    "td,th{border-bottom:1px solid #ddd;padding:.25em .7em;text-align:left;vertical-align:top}"
    "th{border-bottom:2px solid #999}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    "pre{background:#f5f5f5;padding:.8em;overflow-x:auto;font-size:12.5px}"
    "figure{margin:1.5em 0}figure img{max-width:100%}figcaption{color:#555;font-size:13px}";

static void put_html(FILE *f, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<': fputs("&lt;", f); break;
        case '>': fputs("&gt;", f); break;
        case '&': fputs("&amp;", f); break;
        case '"': fputs("&quot;", f); break;
        default: fputc(*text, f);
        }
    }
}

static void put_md(FILE *f, const char *text)
{
    for (; *text; text++) {
        if (strchr("|*_<>`\\[]", *text))
            fputc('\\', f);
        fputc(*text == '\n' ? ' ' : *text, f);
    }
}

bool page_begin(struct page *p, struct out *o, const char *title)
{
    *p = (struct page){ .out = o, .html = out_file(o, "report.html"), .md = out_file(o, "report.md") };
    if (!p->html || !p->md)
        return false;
    fputs("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
          p->html);
    put_html(p->html, title);
    fprintf(p->html, "</title>\n<style>%s</style>\n", style);
    page_heading(p, 1, title);
    return true;
}

bool page_end(struct page *p)
{
    if (p->html)
        fputs("</html>\n", p->html);
    bool written = out_end(p->out, p->html, "report.html");
    written &= out_end(p->out, p->md, "report.md");
    return written;
}

void page_heading(struct page *p, int level, const char *text)
{
    fprintf(p->html, "<h%d>", level);
    put_html(p->html, text);
    fprintf(p->html, "</h%d>\n", level);
    fprintf(p->md, "%s%.*s ", ftell(p->md) ? "\n" : "", level, "####");
    put_md(p->md, text);
    fputs("\n", p->md);
}

void page_text(struct page *p, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        return;
    fputs("<p>", p->html);
    put_html(p->html, text);
    fputs("</p>\n", p->html);
    fputc('\n', p->md);
    put_md(p->md, text);
    fputc('\n', p->md);
    free(text);
}

void page_code(struct page *p, const char *text)
{
    fputs("<pre>", p->html);
    put_html(p->html, text);
    fputs("</pre>\n", p->html);
    fprintf(p->md, "\n```\n%s%s```\n", text, *text && text[strlen(text) - 1] == '\n' ? "" : "\n");
}

void page_table(struct page *p)
{
    memset(&table, 0, sizeof table);
    fputs("<table>\n", p->html);
    fputc('\n', p->md);
}

static bool is_number(const char *text)
{
    return strspn(text, "+-0123456789.,% ") == strlen(text);
}

void page_cell(struct page *p, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        return;
    if (table.cell == 0)
        fputs("<tr>", p->html);
    const char *tag = table.row ? "td" : "th";
    fprintf(p->html, "<%s%s>", tag, table.row && is_number(text) ? " class=\"n\"" : "");
    put_html(p->html, text);
    fprintf(p->html, "</%s>", tag);
    fputs("| ", p->md);
    put_md(p->md, text);
    fputc(' ', p->md);
    table.cell++;
    free(text);
}

void page_row_end(struct page *p)
{
    fputs("</tr>\n", p->html);
    fputs("|\n", p->md);
    if (table.row == 0) {
        for (unsigned i = 0; i < table.cell; i++)
            fputs("|---", p->md);
        fputs("|\n", p->md);
    }
    table.row++;
    table.cell = 0;
}

void page_table_end(struct page *p)
{
    fputs("</table>\n", p->html);
}

/* ------------------------------------------------------------------ plots */

static void put_base64(FILE *to, FILE *from)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char in[3];
    size_t n;
    while ((n = fread(in, 1, 3, from)) > 0) {
        uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)(n > 1 ? in[1] : 0) << 8 | (n > 2 ? in[2] : 0);
        fputc(digits[bits >> 18], to);
        fputc(digits[bits >> 12 & 63], to);
        fputc(n > 1 ? digits[bits >> 6 & 63] : '=', to);
        fputc(n > 2 ? digits[bits & 63] : '=', to);
    }
}

void page_plot(struct page *p, const char *name, const char *caption)
{
    char *path = mem_format("%s/plots/%s.svg", p->out->folder, name);
    FILE *svg = fopen(path, "r");
    free(path);
    if (!svg)
        return;
    fputs("<figure><img alt=\"", p->html);
    put_html(p->html, caption);
    fputs("\" src=\"data:image/svg+xml;base64,", p->html);
    put_base64(p->html, svg);
    fputs("\"><figcaption>", p->html);
    put_html(p->html, caption);
    fprintf(p->html, " (plots/%s.gp)</figcaption></figure>\n", name);
    fputs("\n![", p->md);
    put_md(p->md, caption);
    fprintf(p->md, "](plots/%s.svg)\n", name);
    fclose(svg);
}
