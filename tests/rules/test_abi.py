"""The layout of include/lb_plugin.h changes only with its version, and old plugins keep fitting.

tests/abi/lb_plugin.abi is a dump of the layout (abidw), tests/abi/lb_plugin_M_m.h the header of each version that was
given out. The header must match the dump (script/abi, by abidiff), and each older header of the same major must be a
beginning of it: the same fields at the same places, then more. Both are shown headers that break the rule, too.
"""

import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

from tree import ROOT, report, shown

ABI = ROOT / "tests" / "abi"
HEADER = ROOT / "include" / "lb_plugin.h"
SKIPPED = 77

# What somebody might do to the header: a pattern, what it becomes, and the words of the complaint; None: there is none.
CHANGES = [
    ("nothing", r"$^", "", None),
    ("another comment", r"/\* LB_INT, LB_BOOL \*/", "/* integers */", None),
    ("a field at the end, no bump", r"uint32_t status;", "uint32_t status, more[2];", "more"),
    ("a field in the middle", r"uint64_t first_byte_ns;", "uint64_t odd, first_byte_ns;", "odd"),
    ("another type", r"uint32_t in_flight;", "uint64_t in_flight;", "in_flight"),
    ("another argument", r"(\(\*place\)\([^)]*), uint32_t j\)", r"\1)", "place"),
    ("another value", r"LB_TEXT = 4", "LB_TEXT = 5", "LB_TEXT"),
    ("another bit", r"(LB_CAP_LOAD\s+\(1ull << )4\)", r"\g<1>5)", "LB_ABI_CAP_LOAD"),
    ("a bump, and the dump not stored", r"LB_ABI_MINOR \d+u", "LB_ABI_MINOR 41u", "script/abi --store"),
]


def types_of(header):
    """(struct or enum or union, name) of each type that is defined."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"^(struct|enum|union) (\w+) \{", text, re.MULTILINE)


def layouts(header):
    """name -> (size, {field: (offset, type)}) of each struct and union of a header."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        source = f'#include "{header}"\n'
        for kind, name in types_of(header):
            source += (
                f"void use_{name}({kind} {name} *it);\nvoid use_{name}({kind} {name} *it)\n{{ (void)it; }}\n"
            )
        (work / "a.c").write_text(source)
        subprocess.run(["cc", "-g", "-fPIC", "-shared", "-o", work / "a.so", work / "a.c"], check=True)
        dump = subprocess.run(
            ["abidw", "--no-show-locs", work / "a.so"], capture_output=True, text=True, check=True
        )
    root = xml.etree.ElementTree.fromstring(dump.stdout)
    found = {}
    for kind in ("class-decl", "union-decl"):
        for made in root.iter(kind):
            fields = {}
            for member in made.iter("data-member"):
                fields[member.find("var-decl").get("name")] = int(member.get("layout-offset-in-bits", 0))
            found[made.get("name")] = (int(made.get("size-in-bits", 0)), fields)
    return found


def version_of(header):
    text = header.read_text(encoding="utf-8")
    return tuple(
        int(re.search(rf"^#define LB_ABI_{part} (\d+)u", text, re.MULTILINE).group(1))
        for part in ("MAJOR", "MINOR")
    )


def misfits(old, new):
    """Where a plugin built with the old header would look at the wrong place."""
    before, now = layouts(old), layouts(new)
    for name, (size, fields) in before.items():
        if name not in now:
            yield f"{shown(old)}: struct {name} is gone"
            continue
        for field, offset in fields.items():
            if now[name][1].get(field) != offset:
                yield f"{shown(old)}: {name}.{field} was at bit {offset} and is at {now[name][1].get(field)}"
        ends = [offset for field, offset in now[name][1].items() if field not in fields]
        if now[name][0] < size or any(offset < max(fields.values(), default=0) for offset in ends):
            yield f"{shown(old)}: {name} shrank, or has a new field that is not at its end"


def compared(tree):
    """What script/abi says in a tree."""
    done = subprocess.run([tree / "script" / "abi"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def changed(pattern, becomes):
    """What script/abi says when the header was changed so."""
    with tempfile.TemporaryDirectory() as tree:
        tree = pathlib.Path(tree)
        for place in (
            "include/lb_plugin.h",
            "tests/abi/abi.c",
            "tests/abi/lb_plugin.abi",
            "script/abi",
            "script/lib.sh",
        ):
            (tree / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / place, tree / place)
        header = tree / "include" / "lb_plugin.h"
        header.write_text(re.sub(pattern, becomes, header.read_text()))
        return compared(tree)


def complaints():
    source = (ABI / "abi.c").read_text()
    for _, name in types_of(HEADER):
        if not re.search(rf"\({name}\)|\bunion {name}\b", source):
            yield f"tests/abi/abi.c: has no {name}, so nobody watches it"
    code, said = compared(ROOT)
    if code:
        yield f"{shown(HEADER)}: {said.strip()}"
        return
    for old in sorted(ABI.glob("lb_plugin_*.h")):
        if version_of(old)[0] == version_of(HEADER)[0]:
            yield from misfits(old, HEADER)
    if not (ABI / "lb_plugin_{}_{}.h".format(*version_of(HEADER))).exists():
        yield f"tests/abi: the header of ABI {version_of(HEADER)} is not stored; script/abi --store does it"
    text = HEADER.read_text()
    for name, pattern, becomes, words in CHANGES:
        if name != "nothing" and not re.search(pattern, text):
            yield f"{shown(pathlib.Path(__file__))}: '{name}' changes nothing in the header any more"
            continue
        code, said = changed(pattern, becomes)
        if words is None and code or words is not None and (code != 1 or words not in said):
            yield f"a header with {name}: exit {code}, expected '{words}', said:\n{said}"


if not shutil.which("abidiff"):
    print("skipped: abidiff is missing; script/bootstrap test installs it (abigail-tools)")
    sys.exit(SKIPPED)
if platform.machine() not in ("x86_64", "AMD64"):
    print(f"skipped: tests/abi/lb_plugin.abi is a dump of x86_64, and this is {platform.machine()}")
    sys.exit(SKIPPED)
report(complaints(), checked=len(types_of(HEADER)) + len(CHANGES))
