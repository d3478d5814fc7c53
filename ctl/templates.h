/*
 * templates.h - the files of plugins/template/, as they were when this program was built.
 *
 * Owns     their bytes.
 * Used by  plugin_new.c.
 * Thread   any; constants.
 */
#ifndef CTL_TEMPLATES_H
#define CTL_TEMPLATES_H

/* Terminated. */
extern const char template_hash[], template_probe[], template_scheduler[], template_cmake[];

#endif
