/*
 * config_paths.h - where files, programs and plugins are: relative to a configuration, or beside this
 * program.
 *
 * Owns     nothing.
 * Used by  the config_*.c files.
 * Uses     the file system.
 * Thread   any.
 */
#ifndef WORLD_CONFIG_PATHS_H
#define WORLD_CONFIG_PATHS_H

#include <stdbool.h>

/* The absolute directory of a file, links resolved. The caller frees what these functions return. */
char *config_path_directory(const char *file);

/* text as an absolute path: relative ones start at the directory of the file that names them. */
char *config_path_absolute(const char *file, const char *text);

/* The directory of this program, links resolved. */
char *config_path_program(void);

/* Where plugins are when nobody says: beside the program in a build tree, in the installed place, else next
 * to the configuration, whose directory is given. */
char *config_path_plugins(const char *directory);

/* The program of that bare name: beside this one, in the installed place, else in PATH; NULL when it is
 * nowhere. */
char *config_path_find(const char *name);

/* A regular file that may be executed. */
bool config_path_is_program(const char *path);

#endif
