/*
 * cmd_report.c - ringlab report: pages and plots from what the experiments left.
 *
 * Owns     the results while they are read.
 * Used by  main.c.
 * Uses     report.h, plots.h.
 * Thread   the program's main one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "lab/cmd.h"
#include "lab/lab.h"
#include "lab/option.h"
#include "lab/report.h"

/* FOLDER/NAME; NULL when it is not there, or after a complaint. */
static json_t *read_result(const char *folder, const char *name)
{
    json_error_t error;
    char *path = mem_format("%s/%s", folder, name);
    json_t *root = NULL;
    if (access(path, R_OK) == 0) {
        root = json_load_file(path, 0, &error);
        if (!root)
            lab_complain("%s:%d: %s; it is left out", path, error.line, error.text);
    }
    free(path);
    return root;
}

static bool write_pages(struct out *o, const struct results *r)
{
    struct page p;
    bool begun = page_begin(&p, o, "Ringmaster: results of the experiments");
    if (begun) {
        report_setup(&p, r->setup);
        report_a1(&p, r->a1);
        report_a2(&p, r->a2);
        report_a3(&p, r->a3);
        report_a4(&p, r->a4);
        report_accept(&p, r->accept);
        report_simulate(&p, r->simulate);
    }
    return page_end(&p) && begun;
}

int cmd_report(int argc, char **argv)
{
    const char *folder = "lab/out";
    const struct option_row rows[] = {
        { "out", OPTION_TEXT, &folder, "DIR", "where the experiments left their files (lab/out)", 0, 0 },
        { 0 },
    };
    char **words;
    size_t n_words;
    int code = option_read(rows, "report [--out DIR]", argc, argv, &words, &n_words, 0, 0);
    if (code >= 0)
        return code;
    struct results r = { read_result(folder, "setup.json"),     read_result(folder, "a1/result.json"),
                         read_result(folder, "a2/result.json"), read_result(folder, "a3/result.json"),
                         read_result(folder, "a4/result.json"), read_result(folder, "accept/result.json"),
                         read_result(folder, "simulate.json") };
    struct out o, plots;
    if (!r.setup && !r.a1 && !r.a2 && !r.a3 && !r.a4 && !r.accept && !r.simulate)
        return lab_complain("there are no results in %s; `ringlab all --spawn --out %s` makes some", folder,
                            folder);
    bool whole = out_open(&o, folder, NULL) && out_open(&plots, folder, "plots");
    if (whole) {
        whole = plots_make(&plots, &r);
        whole &= write_pages(&o, &r);
        whole &= report_summary(&o, r.setup, r.a4);
        if (!o.failed)
            printf("%s/report.html, %s/report.md, %s/plots/\n", folder, folder, folder);
        out_close(&plots);
        out_close(&o);
    }
    json_decref(r.setup);
    json_decref(r.a1);
    json_decref(r.a2);
    json_decref(r.a3);
    json_decref(r.a4);
    json_decref(r.accept);
    json_decref(r.simulate);
    return whole ? LAB_OK : LAB_FAILED;
}
