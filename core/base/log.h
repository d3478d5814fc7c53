/*
 * log.h - the balancer's own log: one line, one write.
 *
 * Owns     the log's descriptor (standard error unless log.file names another).
 * Used by  everyone.
 * Thread   any: a line is formatted on the stack and written with one write(2).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/hint.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below this level are dropped. Any thread; takes effect at once. */
void log_set_level(enum log_level level);

/* Sends the log to a file, appended; NULL or "" is standard error. Returns 0, or -1 with errno and the old
 * one kept. */
int log_open(const char *path);

/* Opens the same path again (SIGUSR1, after a rotation). Returns like log_open. */
int log_reopen(void);

/* "debug", "info", "warn", "error"; false when it is none of them. */
bool log_level_parse(const char *text, enum log_level *out);

/* Writes `2026-01-31T12:00:00.123Z info TEXT`, in UTC. Text over 2,000 bytes is cut, control characters in it
 * become '?' or a blank: it is one line whatever it says. Lines the descriptor refuses (a full disk, a pipe
 * that nobody empties) are counted, never waited for. Leaves errno alone. SIGPIPE is the program's to ignore.
 * */
RARELY void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Lines lost since the start. */
unsigned long log_lost(void);

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
