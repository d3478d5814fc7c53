"""seeds.py - the first corpus of the targets: what the tables of tests/e2e/hostile and the configurations hold.

    /usr/bin/python3 tests/fuzz/seeds.py FOLDER      writes FOLDER/TARGET/HASH

Run by hand when the tables have grown; `script/fuzz --keep` then takes what reaches new code.
"""

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from hostile import replies, requests_body, requests_fields, requests_line  # noqa: E402

REQUESTS = [case.send for case in requests_line.CASES + requests_fields.CASES + requests_body.CASES]
BODIES = [
    b"", b" ", b"{}", b'{"n":2}', b'{"N":1,"hostnames":["a"]}', b'{"n":1,"replicas":["Server 1","S-5"]}', b'{"n":-1}',
    b'{"n":1.5}', b'{"n":"1"}', b'{"n":99999999999999999999}', b'{"hostnames":[""]}', b'{"hostnames":["a","b"],"n":1}',
    b'{"hostnames":[1]}', b'{"x":1}', b'{"n":1,"N":2}', b"[1]", b"{", b"n=3", b"server_id=a", b"hostname=a&hostname=b",
    b"server_id=a+b%20c&n=2", b"server_id=", b"n=x", b"n=1&n=2", b"x=1", b"&", b"=", b"hostname=%zz", b"hostname=%00",
]  # fmt: skip


SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = bytes([10, 0, 0, 1, 10, 0, 0, 2, 4, 210, 0, 80])
HEADERS = [
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\nGET", b"PROXY TCP6 fd00::1 ::1 1 65535\r\n", b"PROXY UNKNOWN\r\n",
    b"PROXY UNKNOWN a b\r\n", b"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", b"GET / HTTP/1.1\r\n\r\n",
    SIGNATURE + b"\x20\x00\x00\x00", SIGNATURE + b"\x21\x11\x00\x0c" + V4, SIGNATURE + b"\x21\x21\x00\x24" + V4 * 3,
    SIGNATURE + b"\x21\x00\x00\x03abc", SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216),
    SIGNATURE + b"\x21\x11\x00\x14" + V4 + b"\x20\x00\x05\x01\0\0\0\0",
    SIGNATURE + b"\x21\x11\x00\x13" + V4 + b"\x03\x00\x04\0\0\0\0", SIGNATURE + b"\x22\x11\x00\x0c" + V4,
]  # fmt: skip


def inputs():
    for header in HEADERS:
        yield "proxy", header
    for send in REQUESTS:
        yield "head", bytes([0x80]) + send
        yield "llhttp", b"\x00" + send
        head, end, body = send.partition(b"\r\n\r\n")
        if body and b"chunked" in head:
            yield "chunk", b"\xff" + body
    for case in replies.CASES:
        yield "head", bytes([0x81]) + case.send
        yield "llhttp", (b"\x03" if case.method == b"HEAD" else b"\x01") + case.send
    for body in BODIES:
        yield "change", b"\x00" + body
        yield "change", b"\x81" + body
    for path in sorted((ROOT / "conf").rglob("*.conf")):
        yield "config", path.read_bytes()
    for line in (ROOT / "conf" / "lb.conf").read_bytes().splitlines():
        if b"=" in line and line.rstrip().split(b"#")[0].strip().endswith(b";"):
            yield "config", line.strip() + b"\n"
    yield "config", b'@include "part.conf"\n'


def main():
    count = 0
    for target, data in inputs():
        if len(data) > 4096 and target != "config":
            continue
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
        count += 1
    print(count, "inputs")


main()
