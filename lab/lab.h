/*
 * lab.h - the commands of ringlab, and what they share.
 *
 * Owns     the exit codes, lab_complain.
 * Used by  every file of lab/.
 * Uses     nothing.
 * Thread   the program's only one, unless a file says otherwise.
 */
#ifndef LAB_LAB_H
#define LAB_LAB_H

enum lab_exit { LAB_OK = 0, LAB_FAILED = 1, LAB_USAGE = 2 };

/* "ringlab: ..." on standard error; returns LAB_FAILED. */
int lab_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
