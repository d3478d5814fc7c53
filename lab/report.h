/*
 * report.h - the sections of the report, in their order.
 *
 * Owns     nothing.
 * Used by  cmd_report.c.
 * Uses     page.h, plots.h for struct results.
 * Thread   the program's main one.
 *
 * Each says nothing when its experiment was not run.
 */
#ifndef LAB_REPORT_H
#define LAB_REPORT_H

#include "lab/page.h"
#include "lab/plots.h"

void report_setup(struct page *p, const json_t *setup);
void report_a1(struct page *p, const json_t *a1);
void report_a2(struct page *p, const json_t *a2);
void report_a3(struct page *p, const json_t *a3);
void report_a4(struct page *p, const json_t *a4);
void report_accept(struct page *p, const json_t *accept);
void report_simulate(struct page *p, const json_t *simulate);

/* summary.md: a paragraph and a table of some strategies. False after a complaint. */
bool report_summary(struct out *o, const json_t *setup, const json_t *a4);

/* Members of JSON objects: "-", 0 and a negative number when they are not there. */
const char *report_text(const json_t *object, const char *name);
json_int_t report_count(const json_t *object, const char *name);
double report_real(const json_t *object, const char *name);
double report_real_in(const json_t *object, const char *inner, const char *name);

#endif
