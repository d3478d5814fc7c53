/*
 * config_kit.h - a directory for a test's configurations, and what loading them says.
 *
 * Owns     the directory: empty at the start of a test, removed at its end. PATH names it, and it holds a program called
 *          "backend", so that the default of replicas.process.command is found.
 * Used by  test_config*.c.
 * Thread   the test's.
 */
#ifndef TESTS_CONFIG_KIT_H
#define TESTS_CONFIG_KIT_H

#include "world/config.h"

/* For cmocka's setup and teardown of each test. */
int conf_open(void **state);
int conf_close(void **state);

/* The path of a file in the directory. The text lives until conf_close. */
const char *conf_path(const char *name);

/* Writes a file there (its folders are made) and returns its path. */
const char *conf_write(const char *name, const char *text);

/* Loads text as lb.conf; fails the test, showing the problems, when there are any. */
struct config *conf_load(const char *text);

/* What loading a file says, one problem a line: "lb.conf:3:7: message | hint", files without the directory. The caller
 * frees it. "" when there are no problems. */
char *conf_complaints(const char *path);

/* The dump of a configuration; the caller frees it. */
char *conf_dump(const struct config *c);

/* Names joined by blanks; frees the names. The caller frees the text. */
char *conf_names(char **names);

#endif
