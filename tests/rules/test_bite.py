"""Each rule, shown a small tree that breaks it, complains about the right place.

A rule that can no longer fail looks exactly like a rule that holds; this is the difference.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from tree import report

HERE = pathlib.Path(__file__).parent
PARAGRAPH = "/*\n * {name} - a file.\n *\n * Owns     nothing.\n * Used by  nobody.\n * Thread   any.\n */\n"
UNFINISHED = "TO" "DO"

# (rule, file that breaks it, its code, what the complaint names)
BROKEN = [
    ("borders_include", "core/path/a.c", '#include "control/b.h"\n', "core/path/a.c:8: control/b.h crosses a border"),
    ("borders_include", "core/world/a.c", '#include "path/b.h"\n', "core/world/a.c:8: path/b.h crosses a border"),
    ("borders_include", "core/base/a.c", '#include "clock.h"\n', "core/base/a.c:8: clock.h is neither"),
    ("borders_include", "plugins/hash_a/a.c", '#include "world/view.h"\n', "plugins/hash_a/a.c:8: world/view.h"),
    ("borders_include", "backend/a.c", '#include "base/log.h"\n', "backend/a.c:8: base/log.h is not for backend"),
    ("only", "core/control/a.c", "void *h = dlopen(path, 0);\n", "only plugin.c maps a plugin"),
    ("only", "core/control/reload.c", "s = strategy_make(c, p);\n", "no strategy serves that was not vetted"),
    ("only", "core/control/routes.c", "s->spawner_ops->stop(s->spawner, r);\n", "only the supervisor decides"),
    ("only", "core/control/supervisor.c", "pid = fork();\n", "only a spawner makes a process"),
    ("only", "core/world/a.c", 'execve("/bin/sh", 0, 0);\n', "only a spawner makes a process"),
    ("only", "core/control/vetting.c", "posix_spawn(&pid, 0, 0, 0, 0, 0);\n", "only a spawner makes a process"),
    ("only", "core/control/a.c", "kill(pid, 9);\n", "only a spawner ends a process"),
    ("only", "core/path/pick.c", "forward_write_own(&own, out, n);\n", "only exchange.c answers"),
    ("only", "core/path/pick.c", "splice(a, 0, b, 0, n, 0);\n", "only relay.c moves bodies"),
    ("only", "core/path/a.c", "pthread_mutex_lock(&m);\n", "the data path takes no lock"),
    ("only", "core/base/a.c", "atomic_thread_fence(memory_order_acquire);\n", "no standalone fence"),
    ("only", "plugins/hash_a/a.c", "#include <math.h>\n", "libm is not"),
    ("only", "plugins/hash_a/a.c", "usleep(1);\n", "an event loop waits for events"),
    ("size", "core/base/a.c", "int long_one(int x)\n{\n" + "    x++;\n" * 71 + "}\n", "long_one has 71 lines"),
    ("size", "core/base/a.c", "int x;\n" * 900, "core/base/a.c: 907 lines"),
    ("words", "core/base/a.c", f"/* {UNFINISHED}: later */\n", f"core/base/a.c:8: {UNFINISHED}"),
    ("words", "plugins/hash_a/hash_a.c", "int x;\n", "plugins/hash_a/hash_a.c:1: the opening paragraph has no line 'Source'"),
    ("words", "docs/a.md", f"{UNFINISHED}\n", "docs/a.md"),
    ("plugin_header", "include/lb_plugin.h", "#include <stdio.h>\n", "lb_plugin.h:8: includes stdio.h"),
    ("plugin_header", "include/lb_plugin.h", "struct a { int class; };\n", "refused by"),
]

# What must not be taken for a breach: words in comments and texts, members and longer names that end alike.
SOUND = [
    ("only", "core/control/a.c", '/* fork() */ log("dlopen(%s)", s); ops->kill(r); health_poll(h); s.system(1);\n'),
    ("borders_include", "core/path/a.c", '#include "world/view.h"\n/* #include "control/b.h" */\n'),
    ("size", "core/base/a.c", "int long_one(int x)\n{\n" + "    x++;\n" * 70 + "}\n"),
]


def run(rule, name, code, **environment):
    with tempfile.TemporaryDirectory() as tree:
        path = pathlib.Path(tree, name)
        path.parent.mkdir(parents=True)
        path.write_text(PARAGRAPH.format(name=path.name) + code if path.suffix != ".md" else code)
        done = subprocess.run([sys.executable, HERE / f"test_{rule}.py"], capture_output=True, text=True,
                              env={**os.environ, "RM_SOURCE": tree, **environment})
        return done.returncode, done.stdout + done.stderr


def broken_link():
    """A world that calls into path: compiled and archived for the rule to link."""
    with tempfile.TemporaryDirectory() as build:
        core = pathlib.Path(build, "core")
        core.mkdir()
        for room, code in {"base": "int a;", "path": "int worker(void){return 0;}", "control": "int c;",
                           "world": "int worker(void); int view(void){return worker();}"}.items():
            compiler = [os.environ.get("CC", "cc"), *os.environ.get("RM_LINK_FLAGS", "").split()]
            subprocess.run([*compiler, "-fPIC", "-c", "-x", "c", "-", "-o", core / f"{room}.o"],
                           input=code, text=True, check=True)
            subprocess.run(["ar", "rcs", core / f"liblb_{room}.a", core / f"{room}.o"], check=True)
        return run("borders_link", "core/base/a.c", "", RM_BUILD=build)


def complaints():
    for rule, name, code, words in BROKEN:
        code_returned, said = run(rule, name, code)
        if code_returned != 1 or words not in said:
            yield f"rule {rule} on a broken {name}: exit {code_returned}, expected '{words}', said:\n{said}"
    for rule, name, code in SOUND:
        code_returned, said = run(rule, name, code)
        if code_returned != 0:
            yield f"rule {rule} on a sound {name}: exit {code_returned}, said:\n{said}"
    code_returned, said = broken_link()
    if code_returned != 1 or "core/world does not link" not in said or "worker" not in said:
        yield f"rule borders_link on a world that calls path: exit {code_returned}, said:\n{said}"


report(complaints(), checked=len(BROKEN) + len(SOUND) + 1)
