/*
 * vetting.h - no plugin's code is mapped before it has shown elsewhere that it behaves.
 *
 * Owns     the verdicts so far, and the one process that is trying something out now.
 * Used by  control.c and reload.c (every strategy they make), main.c (-t).
 * Uses     vetting_child.h for the process; world/strategy.h, world/vet.h.
 * Thread   new, free: control. try and make: one thread at a time (a reload's trial thread, then its
 *          builder). cancel: any.
 *
 * A strategy's files are read once. What was read is tried out by another process (world/vet.h) with the
 * options as written; only then are exactly these bytes mapped here. Who passed is remembered by bytes and
 * options and not asked again; who was refused is asked again each time, for the machine may have been to
 * blame.
 */
#ifndef CONTROL_VETTING_H
#define CONTROL_VETTING_H

#include <stdbool.h>
#include <stdint.h>

struct config;
struct lb_member;
struct problems;
struct strategy;
struct vetting;

/* program is what is started with VET_ARGUMENT as its only argument: "/proc/self/exe" is this one. NULL:
 * errno. */
struct vetting *vetting_new(const char *program);
void vetting_free(struct vetting *v);

/* Ends the trial under way, and every later one at once: who waits for it is told so. Nothing for NULL. Any
 * thread. */
void vetting_cancel(struct vetting *v);

/* One configuration's worth of strategies. */
struct vetting_visit {
    struct vetting *vetting;
    const struct lb_member
        *members; /* those there are now, sorted by ring name; NULL: as many as are configured */
    uint32_t n_members;
    bool has_old;    /* a strategy runs that goes on when this one is refused: sentences say so */
    uint64_t vet_ns; /* out, added to: what trials took; 0: none was necessary */
};

/* The strategy of a configuration with one reference; its report is in strategy.vet. NULL with problems, or
 * when there were problems before: then only what plugins think of their options is added, and nothing comes
 * of it. */
struct strategy *vetting_make(struct vetting_visit *visit, const struct config *config,
                              struct problems *problems);

/* Tries out now what vetting_make would have to try out later; maps nothing. What is wrong is added to
 * problems. */
void vetting_try(struct vetting_visit *visit, const struct config *config, struct problems *problems);

/* The same for a candidate (shadow_make_fn; ctx is the visit), which may refuse the members there are. */
struct strategy *vetting_make_candidate(void *ctx, const struct config *config, struct problems *problems);
struct strategy *vetting_try_candidate(void *ctx, const struct config *config,
                                       struct problems *problems); /* NULL */

#endif
