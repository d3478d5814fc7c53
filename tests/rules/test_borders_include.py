"""No include crosses a border.

In core/ an include in quotes is "room/file.h" of a room one may use, or "lb_plugin.h". A plugin sees lb_plugin.h and its
own folder; the backend its own folder.
"""

import re

from borders import MAY_USE
from tree import ROOT, c_files, code_of, numbered, report, shown

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def includes(path):
    for number, line in numbered(code_of(path, keep_text=True)):
        match = INCLUDE.match(line)
        if match:
            yield f"{shown(path)}:{number}", match.group(1) == '"', match.group(2)


def refusal_in_core(room, quoted, name):
    other = name.split("/")[0]
    if other in MAY_USE:
        if not quoted:
            return "is ours: include it in quotes"
        if other != room and other not in MAY_USE[room]:
            return f"crosses a border: core/{room} may use {' and '.join(MAY_USE[room]) or 'no other room'}"
    elif quoted and name != "lb_plugin.h":
        return 'is neither "room/file.h" nor "lb_plugin.h"'
    return None


def refusal_outside(path, quoted, name, allowed):
    if name.split("/")[0] in MAY_USE or (quoted and name not in allowed and not (path.parent / name).is_file()):
        return f"is not for {shown(path.parent)}, which sees {' and '.join([*allowed, 'its own folder'])}"
    return None


def complaints(files):
    for path in files:
        parts = path.relative_to(ROOT).parts
        for place, quoted, name in includes(path):
            if parts[0] == "core":
                refusal = refusal_in_core(parts[1], quoted, name) if len(parts) == 3 else None
            else:
                refusal = refusal_outside(path, quoted, name, ["lb_plugin.h"] if parts[0] == "plugins" else [])
            if refusal:
                yield f"{place}: {name} {refusal}"


files = c_files("core", "plugins", "backend")
report(complaints(files), checked=len(files))
