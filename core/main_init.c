/*
 * main_init.c - what process 1 of a container owes to the others.
 *
 * Owns     process 1, when that is us.
 * Uses     fork, before there is another thread.
 * Thread   main.
 *
 * In a container the program that was named is process 1, and every process whose parent has ended becomes its child. One
 * that does not reap them collects zombies. The balancer waits for the children it knows, by their pidfds; so process 1
 * is a process of its own that does nothing else, and the balancer is its first child. Signals that are for the program
 * reach it through process 1. When the balancer ends, so does process 1, and the kernel ends what is left.
 */
#include "main_init.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: a group of its own, and the terminal if there is one. Otherwise Ctrl-C would reach it twice, from the
 * terminal and from process 1, and twice means "at once". */
static void leave_group(void)
{
    setpgid(0, 0);
    if (isatty(STDIN_FILENO)) {
        signal(SIGTTOU, SIG_IGN);
        tcsetpgrp(STDIN_FILENO, getpid());
        signal(SIGTTOU, SIG_DFL);
    }
}

/* Reaps all that have ended. True: the balancer is among them, and *code is its exit code. */
static bool reap(pid_t balancer, int *code)
{
    int status;
    bool is_over = false;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == balancer) {
            *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            is_over = true;
        }
    }
    return is_over;
}

static int serve(pid_t balancer, const sigset_t *all)
{
    int code = 0;
    while (!reap(balancer, &code)) {
        siginfo_t info;
        int number = sigwaitinfo(all, &info);
        if (number > 0 && number != SIGCHLD) {
            kill(balancer, number);
        }
    }
    return code;
}

int init_run(void)
{
    sigset_t all, before;
    if (getpid() != 1) {
        return -1;
    }
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    signal(SIGCHLD, SIG_DFL);
    pid_t balancer = fork();
    if (balancer == 0) {
        leave_group();
        sigprocmask(SIG_SETMASK, &before, NULL);
        return -1;
    }
    if (balancer < 0) {
        fprintf(stderr, "ringmaster: cannot fork as process 1: %s\n", strerror(errno));
        return 1;
    }
    return serve(balancer, &all);
}
