/*
 * reload.h - lb.conf is read again: built aside, then swapped, or refused as a whole.
 *
 * Owns     the run under way, and those who wait for it.
 * Used by  control.c (SIGHUP), routes.c (POST /reload).
 * Uses     builder.h for reading and building, publish.h to put it in force, world/config.h,
 * world/strategy.h.
 * Thread   control; reload_work alone runs on the builder thread.
 *
 * One run at a time. Who asks while one runs waits for the next run and shares it with all others that wait:
 * the file may have changed after the running one read it. An answer is sent when every worker runs the
 * result.
 */
#ifndef CONTROL_RELOAD_H
#define CONTROL_RELOAD_H

#include <stddef.h>

struct builder;
struct call;
struct config;
struct publish;
struct reload;
struct vetting;

/* A configuration is in force on every worker. */
typedef void (*reload_applied_fn)(void *ctx, struct config *before, struct config *now);

/* All is borrowed, and lives longer. trials is the thread that waits for vettings, while builder builds tables for others;
 * it may be the same one. */
struct reload *reload_new(struct builder *trials, struct builder *builder, struct publish *publish,
                          struct vetting *vetting, reload_applied_fn applied, void *ctx);

/* status is 200 or 422, body the JSON of CONTRACT 5. */
typedef void (*reload_done_fn)(void *arg, int status, const char *body, size_t body_len);

/* Asks for a run; who is for the log ("SIGHUP"). done may be NULL; it is called once, later. */
void reload_ask(struct reload *r, const char *who, reload_done_fn done, void *arg);

/* The handler of POST /reload. */
void reload_call(struct call *call);

/* Frees it; those who still wait are not told. After the builder has ended. */
void reload_free(struct reload *r);

#endif
