/*
 * lab.c - how every command complains.
 *
 * Owns     the prefix.
 * Used by  every file of lab/.
 * Uses     nothing.
 * Thread   any.
 */
#include "lab/lab.h"

#include <stdarg.h>
#include <stdio.h>

int lab_complain(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fflush(stdout); /* what was said before stands before */
    fprintf(stderr, "ringlab: %s\n", line);
    return LAB_FAILED;
}
