/*
 * page.h - one text, written twice: as one HTML file that needs no other, and as Markdown.
 *
 * Owns     both files while they are written.
 * Used by  report*.c.
 * Uses     out.h.
 * Thread   the program's main one.
 *
 * Texts are plain; what HTML or Markdown would take for markup is escaped.
 */
#ifndef LAB_PAGE_H
#define LAB_PAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "lab/out.h"

struct page {
    struct out *out;
    FILE *html, *md;
};

/* report.html and report.md in o. False after a complaint; page_end in any case. */
bool page_begin(struct page *p, struct out *o, const char *title);
bool page_end(struct page *p);

void page_heading(struct page *p, int level, const char *text);
void page_text(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_code(struct page *p, const char *text);

/* The first row is the header; a cell is a text, numbers are set right. End each row. */
void page_table(struct page *p);
void page_cell(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_row_end(struct page *p);
void page_table_end(struct page *p);

/* plots/NAME.svg, inside the HTML file and linked from Markdown; nothing when it is not there. */
void page_plot(struct page *p, const char *name, const char *caption);

#endif
