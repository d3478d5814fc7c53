/*
 * spawner_user.c - whose rights child processes have.
 *
 * Owns     the numbers behind replicas.process.user and .group.
 * Used by  spawner_process.c.
 * Uses     the system's lists of users and groups.
 * Thread   control.
 */
#include "control/spawner_user.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* The number when the text is one; false otherwise. */
static bool read_number(const char *text, unsigned *out)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    *out = (unsigned)number;
    return *text >= '0' && *text <= '9' && *end == 0 && number < UINT32_MAX;
}

/* The groups that the system lists for the user, gid among them. */
static void find_groups(struct child_user *out, const char *name)
{
    int n = 16;
    gid_t *groups = mem_zero((size_t)n, sizeof *groups);
    while (getgrouplist(name, out->gid, groups, &n) < 0) {
        groups = mem_grow(groups, (size_t)n * sizeof *groups);
    }
    out->groups = groups;
    out->n_groups = (size_t)n;
}

static bool find_user(struct child_user *out, const char *user, char *why, size_t why_size)
{
    unsigned number;
    bool is_number = read_number(user, &number);
    const struct passwd *entry = is_number ? getpwuid(number) : getpwnam(user);
    if (!entry && !is_number) {
        snprintf(why, why_size, "replicas.process.user: there is no user \"%s\"", user);
        return false;
    }
    out->uid = entry ? entry->pw_uid : number;
    out->gid = entry ? entry->pw_gid : number;
    if (entry) {
        char *name = mem_text(entry->pw_name);
        find_groups(out, name);
        free(name);
    }
    return true;
}

static bool find_group(struct child_user *out, const char *group, char *why, size_t why_size)
{
    unsigned number;
    bool is_number = read_number(group, &number);
    const struct group *entry = is_number ? getgrgid(number) : getgrnam(group);
    if (!entry && !is_number) {
        snprintf(why, why_size, "replicas.process.group: there is no group \"%s\"", group);
        return false;
    }
    out->gid = entry ? entry->gr_gid : number;
    return true;
}

bool user_find(struct child_user *out, const char *user, const char *group, char *why, size_t why_size)
{
    *out = (struct child_user){ .is_set = *user || *group, .uid = getuid(), .gid = getgid() };
    return (!*user || find_user(out, user, why, why_size)) &&
           (!*group || find_group(out, group, why, why_size));
}

void user_free(struct child_user *user)
{
    free((void *)(uintptr_t)user->groups);
    *user = (struct child_user){ 0 };
}
