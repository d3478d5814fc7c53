"""A function is at most 70 lines, a .c file at most 900.

Functions are found by their shape, which the formatter guarantees: a brace alone in the first column opens one, and the
next brace in the first column ends it.
"""

import re

from tree import c_files, code_of, numbered, report, shown

FUNCTION_LINES = 70
FILE_LINES = 900
NAME = re.compile(r"(\w+)\s*\(")


def functions(text):
    """(name, first line, lines) of each function; the lines between the outer braces."""
    head = ""
    opened = None
    for number, line in numbered(text):
        if opened is None and line == "{":
            opened = number
        elif opened is not None and line.startswith("}"):
            names = NAME.findall(head)
            yield names[0] if names else "?", opened, number - opened - 1
            opened, head = None, ""
        elif opened is None:
            head = "" if line.startswith(("}", "#")) or line.endswith(";") or not line.strip() else head + line


def complaints(files):
    for path in files:
        text = code_of(path)
        lines = text.count("\n")
        if path.suffix == ".c" and lines > FILE_LINES:
            yield f"{shown(path)}: {lines} lines; at most {FILE_LINES}"
        for name, first, length in functions(text):
            if length > FUNCTION_LINES:
                yield f"{shown(path)}:{first}: {name} has {length} lines; at most {FUNCTION_LINES}"


files = c_files("core", "plugins", "backend", "ctl", "lab", "tests", "include")
report(complaints(files), checked=len(files))
