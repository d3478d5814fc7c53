/*
 * templates.c - the files of plugins/template/, taken in by the assembler.
 *
 * Owns     their bytes.
 * Used by  plugin_new.c.
 * Uses     RM_TEMPLATE_DIR, from CMake.
 * Thread   any; constants.
 *
 * They stand in the program so that it needs no place to find them, wherever it is installed.
 */
#include "templates.h"

#define TAKE_IN(name_, file_)                             \
    __asm__(".section .rodata\n"                          \
            ".global " #name_ "\n"                        \
            ".type " #name_ ", %object\n" #name_ ":\n"    \
            ".incbin \"" RM_TEMPLATE_DIR "/" file_ "\"\n" \
            ".byte 0\n"                                   \
            ".size " #name_ ", . - " #name_ "\n"          \
            ".previous\n")

TAKE_IN(template_hash, "hash_template.c");
TAKE_IN(template_probe, "probe_template.c");
TAKE_IN(template_scheduler, "scheduler_template.c");
TAKE_IN(template_cmake, "CMakeLists.txt");
