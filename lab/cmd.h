/*
 * cmd.h - the commands: one function each, in the file cmd_NAME.c.
 *
 * Owns     nothing.
 * Used by  main.c, which has the row of each.
 * Uses     nothing.
 * Thread   the program's only one.
 *
 * argv[0] is the command's name; its options follow. They return an exit code (lab.h). A command reads its options with
 * option.h, so that `ringlab NAME --help` prints them.
 */
#ifndef LAB_CMD_H
#define LAB_CMD_H

int cmd_load(int argc, char **argv);
int cmd_a1(int argc, char **argv);
int cmd_a2(int argc, char **argv);
int cmd_a3(int argc, char **argv);
int cmd_a4(int argc, char **argv);
int cmd_all(int argc, char **argv);
int cmd_accept(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
int cmd_replay(int argc, char **argv);

#endif
