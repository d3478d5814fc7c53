/*
 * telling.h - one way through a table for pick and for explain.
 *
 * Owns     nothing.
 * Used by  the schedulers of this house.
 * Uses     lb_plugin.h.
 * Thread   any.
 *
 * A choice that is written once, with a listener who may be NULL, cannot be explained differently from how it
 * is made. pick passes a NULL that the compiler sees, and nothing of the telling is left.
 */
#ifndef PLUGINS_COMMON_TELLING_H
#define PLUGINS_COMMON_TELLING_H

#include "lb_plugin.h"

#define TOLD_MAX 16u /* members of one kind that are told: enough to see the order */

static inline void tell_number(const struct lb_explain *say, const char *name, uint64_t value)
{
    if (say)
        say->number(say->ctx, name, value);
}

static inline void tell_text(const struct lb_explain *say, const char *name, const char *value)
{
    if (say)
        say->text(say->ctx, name, value);
}

static inline void tell_member(const struct lb_explain *say, const char *name, uint32_t member)
{
    if (say)
        say->member(say->ctx, name, member);
}

#endif
