"""No file says that it is unfinished, every C file opens with the paragraph that says what it is, and a plugin's also
with its source, what it gives, what it costs and what it is not for."""

import re

from tree import ROOT, c_files, report, shown

# Written in two halves so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")

FOLDERS = ["core", "include", "plugins", "backend", "ctl", "lab", "tests", "conf", "script", "docs", "cmake", "bench", ".ci"]
LABELS = ("Owns", "Used by", "Thread")
OF_PLUGIN = ("Source", ("Gives", "Guarantees"), "Cost", ("Not for", "Not when"))


def texts():
    """Every file of the project that can be read as text."""
    tops = [path for path in ROOT.iterdir() if path.is_file()]
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in sorted(tops + below):
        if "__pycache__" in path.parts:
            continue
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def complaints(texts):
    for path, text in texts:
        for number, line in enumerate(text.splitlines(), start=1):
            word = UNFINISHED.search(line)
            if word:
                yield f"{shown(path)}:{number}: {word.group()}: {line.strip()}"

    for path in c_files("plugins", kinds="c"):
        if path.stem != path.parent.name:
            continue  # a plugin's other files
        opening = path.read_text(encoding="utf-8").split("*/")[0]
        for label in OF_PLUGIN:
            if not any(f"\n * {one} " in opening for one in ([label] if isinstance(label, str) else label)):
                yield f"{shown(path)}:1: the opening paragraph has no line '{label if isinstance(label, str) else label[0]}'"

    for path in c_files("core", "lab"):
        lines = path.read_text(encoding="utf-8").splitlines()
        opening = "\n".join(lines[:40]).split("*/")[0]
        if lines[:1] != ["/*"] or not opening.startswith(f"/*\n * {path.name} - "):
            yield f"{shown(path)}:1: opens with no paragraph that begins ' * {path.name} - '"
            continue
        for label in LABELS:
            if path.name.startswith("main") and label == "Used by":
                continue  # the program itself
            if f"\n * {label} " not in opening:
                yield f"{shown(path)}:1: the opening paragraph has no line '{label}'"


files = list(texts())
report(complaints(files), checked=len(files))
