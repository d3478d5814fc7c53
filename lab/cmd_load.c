/*
 * cmd_load.c - ringlab load.
 *
 * Owns     the command's options.
 * Used by  main.c.
 * Uses     option.h.
 * Thread   the program's only one.
 */
#include <stddef.h>

#include "lab/cmd.h"
#include "lab/lab.h"
#include "lab/option.h"

int cmd_load(int argc, char **argv)
{
    static const struct option_row rows[] = { { 0 } };
    char **words;
    size_t n_words;
    int code = option_read(rows, "load [URL]", argc, argv, &words, &n_words, 0, 1);
    return code >= 0 ? code : LAB_OK;
}
