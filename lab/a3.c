/*
 * a3.c - A-3: every endpoint, then replicas that die, hang and pause under load.
 *
 * Owns     the folder's files: result.json, and those of a3.h.
 * Used by  cmd_experiments.c.
 * Uses     a3.h.
 * Thread   the program's main one.
 */
#include <stdio.h>

#include "lab/a3.h"
#include "lab/experiment.h"
#include "lab/experiments.h"
#include "lab/lab.h"

/* What A-3 leaves behind is what it found: stand-ins give way to those that they replaced. */
static bool restore(struct experiment *e, const struct names *before)
{
    return load_is_interrupted() || target_set(&e->target, before->items, before->count);
}

json_t *a3_run(struct experiment *e, const char *name)
{
    struct out o;
    struct names before;
    bool as_expected;
    if (!target_rep(&e->target, &before))
        return NULL;
    if (!out_open(&o, e->out, name)) {
        names_free(&before);
        return NULL;
    }
    printf("%s: every endpoint, then a replica dies, pauses, hangs under load\n", name);
    json_t *calls = a3_calls(e, &o, &as_expected), *incidents = json_array();
    bool whole = as_expected && restore(e, &before);
    if (!as_expected)
        lab_complain("a call was not answered as the contract says; see %s/calls.txt", o.folder);
    for (int kind = A3_KILL; kind <= A3_HANG && !load_is_interrupted(); kind++) {
        json_t *incident = a3_incident(e, &o, (enum a3_kind)kind);
        if (!incident) {
            whole = false;
            break;
        }
        json_array_append_new(incidents, incident);
    }
    if (whole)
        whole = restore(e, &before);
    json_t *result = json_pack("{s:s, s:s, s:o, s:b, s:o}", "experiment", "A-3", "command", e->command,
                               "calls", calls, "calls_as_expected", as_expected, "incidents", incidents);
    whole &= out_json(&o, "result.json", json_incref(result));
    names_free(&before);
    out_close(&o);
    if (whole)
        return result;
    json_decref(result);
    return NULL;
}
