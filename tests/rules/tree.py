"""tree.py - what the rules share: the tree's C files, their code without comments, and how a rule reports.

A rule is a script that hands its complaints to report(); each is a place and a sentence, printed one a line, and the
test fails if there is one. The environment names the tree (RM_SOURCE) and the build (RM_BUILD); without the first it is
the tree this file lies in.
"""

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(os.environ.get("RM_SOURCE") or pathlib.Path(__file__).resolve().parents[2])

_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def c_files(*folders, kinds=("c", "h")):
    """The C files below the folders, in a stable order."""
    found = []
    for folder in folders:
        for kind in kinds:
            found += (ROOT / folder).rglob(f"*.{kind}")
    return sorted(found)


def shown(path):
    return path.relative_to(ROOT).as_posix()


def code_of(path, keep_text=False):
    """The file's text with comments (and texts, unless kept) emptied; lines stay where they are."""

    def empty(match):
        token = match.group()
        if token[0] == "/":
            return "\n" * token.count("\n") or " "
        return token if keep_text else token[0] * 2

    return _TOKEN.sub(empty, path.read_text(encoding="utf-8"))


def numbered(text):
    return enumerate(text.splitlines(), start=1)


def report(complaints, checked):
    """Ends the script: prints the complaints, or how much was looked at. Looking at nothing is a failure too."""
    complaints = list(complaints)
    for complaint in complaints:
        print(complaint)
    if not checked:
        print("nothing was checked: the files this rule is about were not found")
    print(f"{checked} checked, {len(complaints)} complaints")
    sys.exit(bool(complaints) or not checked)
