/*
 * template.c - the text that is digested, with places to fill in.
 *
 * Owns     the pieces of a template.
 * Used by  hash_digest.c.
 * Thread   any: a template is never written after it was parsed.
 */
#include "template.h"

#include <string.h>

static const struct template_name *find(const char *text, const struct template_name *names)
{
    for (; names->name; names++) {
        if (strncmp(text, names->name, strlen(names->name)) == 0)
            return names;
    }
    return NULL;
}

unsigned template_parse(const char *text, const struct template_name *names, struct template_piece *pieces,
                        const char **wrong)
{
    unsigned count = 0;

    while (*text) {
        struct template_piece *piece = &pieces[count++];

        if (*text == '{') {
            const struct template_name *known = find(text, names);

            if (!known) {
                *wrong = text;
                return 0;
            }
            *piece = (struct template_piece){ .field = known->field };
            text += strlen(known->name);
        } else {
            *piece = (struct template_piece){ .literal = text, .len = strcspn(text, "{") };
            text += piece->len;
        }
    }
    return count;
}
