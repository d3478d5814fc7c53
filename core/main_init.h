/*
 * main_init.h - what process 1 of a container owes to the others.
 *
 * Owns     nothing.
 * Used by  main.c.
 * Thread   main, before there is any other.
 */
#ifndef MAIN_INIT_H
#define MAIN_INIT_H

/* As any process but 1: returns -1 at once. As process 1: starts a child, in which it returns -1; process 1 itself passes
 * signals on to the child, reaps whatever becomes an orphan, and returns the child's exit code (128 + n after signal n)
 * when that has ended. */
int init_run(void);

#endif
