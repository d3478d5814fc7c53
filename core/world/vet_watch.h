/*
 * vet_watch.h - every call into a plugin that is tried out, seen from the host's side.
 *
 * Owns     the callbacks that stand between the host and the three plugins, and what is known of each table.
 * Used by  vet.c (puts them in place), vet_*.c (refuse, ask what a table took).
 * Uses     vet.h for the page; lb_plugin.h; vet_guard.h.
 * Thread   the process that tries out has one: all of this is its own, and there is one of it.
 *
 * Before a call it is noted on the page which plugin runs where, so that whoever finds the process dead can
 * say who did it. After it the answer is looked at: a slot outside the ring, a member that does not exist, a
 * byte written too far ends the process with a sentence.
 */
#ifndef WORLD_VET_WATCH_H
#define WORLD_VET_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "lb_plugin.h"
#include "world/strategy.h"
#include "world/vet.h"

struct plugin;

/* Everything is noted on this page from now on. memory: bytes of address space that may be added to what is
 * taken now; 0: any. */
void vet_watch_open(struct vet_page *page, uint64_t memory);

/* Puts the watch in front of a plugin that was mapped: its info is replaced by one whose callbacks are
 * watched. The plugin stays mapped as long as the process lives, or until vet_watch_remove. */
void vet_watch_put(enum strategy_part part, struct plugin *plugin);
void vet_watch_remove(enum strategy_part part, struct plugin *plugin);

/* Notes where the process is; for calls that are not callbacks (loading). members: of the membership in work.
 */
void vet_watch_enter(enum strategy_part part, enum vet_call call);
void vet_watch_leave(void);
void vet_watch_members(uint32_t n);

/* The callbacks as the plugin gave them, to measure without the watch. */
const struct lb_scheduler_ops *vet_watch_scheduler(void);
const struct lb_hash_ops *vet_watch_hash(void);

/* Ends the process: refused. The sentence goes on after the plugin's path: "answers …". */
_Noreturn void vet_refuse(enum strategy_part part, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Refuses the plugin when it has taken more memory than it may. */
void vet_check_memory(enum strategy_part part);

/* Bytes that tables took from the allocator and had not given back when they were destroyed. */
uint64_t vet_watch_leaked(void);

#endif
