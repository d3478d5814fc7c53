"""The sentences with "only" in them: each names a call and the one file that may make it.

docs/architecture.md draws the house; these are the sentences about it that can be checked by looking for a name.
"""

import fnmatch
import re

from tree import c_files, code_of, numbered, report, shown



def call(names):
    """Calls of these functions: not of a member, nor of a longer name."""
    return re.compile(rf"(?<![\w.>])(?:{names})\s*\(")


# (the sentence, what it is about, where that would be wrong, where it is right)
ONLY = [
    ("only plugin.c maps a plugin",
     call("dlopen|dlmopen|dlclose"), "core/*", ["core/world/plugin.c"]),
    ("no strategy serves that was not vetted",
     call("strategy_make|strategy_compose|plugin_load|plugin_map"), "core/*",
     ["core/world/plugin.[ch]", "core/world/strategy.[ch]", "core/world/vet.c", "core/control/vetting.c",
      "core/world/shadow.[ch]"]),
    ("only the supervisor decides to start or stop a replica",
     re.compile(r"ops->(?:start|stop)\s*\("), "core/*", ["core/control/supervisor*.c"]),
    ("only a spawner makes a process, and a vetting",
     call("v?fork|clone3?|posix_spawnp?|execv?p?e?|execlp?e?|execveat|fexecve|popen|system"), "core/*",
     ["core/control/spawner*.c", "core/control/vetting_child.c", "core/main_init.c"]),  # as process 1: the balancer
    ("only a spawner ends a process, and a vetting its own",
     call("kill|killpg|tgkill|pidfd_send_signal"), "core/*",
     ["core/control/spawner*.c", "core/control/vetting_child.c", "core/main_init.c"]),
    ("only exchange.c answers for the balancer, so only it chooses a status code",
     call("forward_write_own"), "core/*", ["core/path/exchange*.c", "core/path/forward.[ch]"]),
    ("only relay.c moves bodies through pipes",
     call("splice|vmsplice|tee"), "core/*", ["core/path/relay*.c"]),
    ("the data path takes no lock",
     call(r"pthread_(?:mutex|rwlock|spin|cond)_\w+|mtx_\w+|call_once"), "core/path/*", []),
    ("no standalone fence: the thread sanitizer does not model one",
     call("atomic_thread_fence|__sync_synchronize|__atomic_thread_fence"), "core/*", []),
    ("tables are the same on every machine, and libm is not: its last bit differs",
     re.compile(r"#\s*include\s*<(?:math|tgmath|complex)\.h>"), "plugins/*", []),
    # a vetting is waited for on the builder thread; the spool's thread has no loop but its pipe and its mail
    ("an event loop waits for events and nothing else",
     call("sleep|usleep|nanosleep|clock_nanosleep|poll|ppoll|select"), "*", ["core/control/vetting_child.c", "core/base/spool.c"]),
]


def complaints(files):
    for path in files:
        name = shown(path)
        for number, line in numbered(code_of(path)):
            for sentence, forbidden, wrong, right in ONLY:
                if not fnmatch.fnmatch(name, wrong) or any(fnmatch.fnmatch(name, place) for place in right):
                    continue
                if forbidden.search(line):
                    yield f"{name}:{number}: {line.strip()}\n    {sentence}"


files = c_files("core", "plugins")
report(complaints(files), checked=len(files))
