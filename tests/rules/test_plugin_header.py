"""include/lb_plugin.h stands alone: strict C11, C++ too, and only stdint.h and stddef.h."""

import os
import re
import shutil
import subprocess

from tree import ROOT, code_of, numbered, report, shown

HEADER = ROOT / "include" / "lb_plugin.h"
STRICT = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-pedantic", "-Werror", "-fsyntax-only"]

c_compiler = os.environ.get("CC", "cc")
# C++ is checked where there is a compiler for it: nothing else in the house needs one.
cxx_compiler = shutil.which("c++") or shutil.which("clang++")


def compiled(*command):
    done = subprocess.run([*command, *STRICT, "-"], capture_output=True, text=True,
                          input=f'#include "{HEADER}"\nextern int lb_nothing;\n')
    if done.returncode:
        yield f"{shown(HEADER)}: refused by {' '.join(command)}:\n{done.stderr.rstrip()}"


def complaints():
    for number, line in numbered(code_of(HEADER, keep_text=True)):
        match = re.match(r'\s*#\s*include\s*[<"]([^">]+)', line)
        if match and match.group(1) not in ("stdint.h", "stddef.h"):
            yield f"{shown(HEADER)}:{number}: includes {match.group(1)}; a plugin needs stdint.h and stddef.h alone"
    yield from compiled(c_compiler, "-std=c11", "-x", "c")
    if cxx_compiler:
        yield from compiled(cxx_compiler, "-std=c++11", "-x", "c++")


report(complaints(), checked=3 if cxx_compiler else 2)
