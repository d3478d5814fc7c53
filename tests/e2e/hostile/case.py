"""case.py - what a case is: a name, the section of the RFC it is from, bytes, and what must become of them.

Owns     RequestCase and ReplyCase, the outcomes a table may name, the pieces that tables are written with.
Used by  requests_*.py and replies.py (the tables), observe.py, report.py, ../test_hostile.py.

Sections are of RFC 9112 (messages) and RFC 9110 (semantics): "9112 6.3".
"""

from dataclasses import dataclass

# Most requests of the tables are about something else than their first lines.
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: h\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
STOLEN = b"GET /stolen HTTP/1.1\r\nHost: h\r\n\r\n"  # no replica may ever see it, where it stands for data

# What the balancer itself adds to a request comes last (CONTRACT section 7).
ADDED = (b"X-Forwarded-For: ", b"X-Forwarded-Proto: ", b"X-Forwarded-Host: ", b"X-Request-Id: ")


@dataclass(frozen=True)
class Passed:
    """Forwarded. head is what the replica gets, byte for byte, up to the fields that the balancer adds;
    {origin} in it is the replica's address. The rest is what those added fields say and the body, decoded."""

    head: bytes
    body: bytes = b""
    came_for: bytes = b"127.0.0.1"  # X-Forwarded-For
    host: bytes | None = b"h"  # X-Forwarded-Host; None: there is none
    request_id: bytes | None = None  # None: made by the balancer, or in its place among the passing fields
    has_id: bool = False  # it passes in its place: nothing is added


@dataclass(frozen=True)
class Refused:
    """Answered by the balancer itself. begun: the replica may have seen the beginning of it, for the fault
    is in the body; it must not have seen the end."""

    status: int
    begun: bool = False


@dataclass(frozen=True)
class Silent:
    """The connection is closed without an answer, for there is no request to answer."""


@dataclass(frozen=True)
class RequestCase:
    name: str
    section: str
    send: bytes
    expect: tuple  # one outcome for each request in the bytes
    ends: bool = False  # the client ends its side after the last byte
    kept: bool = True  # the connection carries another request afterwards; never after a Refused or Silent
    methods: tuple = ()  # of the requests, where the client must know them to read the answers (HEAD)

    @property
    def closes(self):
        return not self.kept or any(isinstance(e, (Refused, Silent)) for e in self.expect)


def bad(name, section, send, status=400, **more):
    """Must be refused, and the replica must not see a byte of it."""
    return RequestCase(name, section, send, (Refused(status),), **more)


def bad_body(name, section, send, status=400, **more):
    return RequestCase(name, section, send, (Refused(status, begun=True),), **more)


def good(name, section, send, head, body=b"", **more):
    """Must arrive as head and body say."""
    about = {k: more.pop(k) for k in ("came_for", "host", "request_id", "has_id") if k in more}
    return RequestCase(name, section, send, (Passed(head, body, **about),), **more)


# ---- replies


@dataclass(frozen=True)
class BadGateway:
    """The client gets the balancer's own 502, whole; its connection goes on; the replica's socket does not."""


@dataclass(frozen=True)
class Answer:
    """The client gets exactly this head, up to the fields that the balancer adds, and this body, decoded."""

    head: bytes
    body: bytes = b""
    interim: tuple = ()  # the statuses of the 1xx replies before it
    reused: bool = True  # the replica's socket carries the next request
    kept: bool = True  # the client's connection does


@dataclass(frozen=True)
class Cut:
    """The client sees that the answer is not whole: the connection ends inside it. begins is what it may have
    got of the body. may_be_502: when the fault was seen before the first byte went out."""

    begins: bytes
    may_be_502: bool = True


@dataclass(frozen=True)
class ReplyCase:
    name: str
    section: str
    send: bytes  # the replica's bytes, in one piece
    expect: object
    then: str = "keep"  # "keep" its connection, "close" it, "reset" it
    method: bytes = b"GET"
    version: bytes = b"1.1"
    fields: bytes = b""  # of the request, besides Host
