"""replies.py - what a replica may answer: RFC 9112 sections 4 to 9, RFC 9110 section 15.

The replica sends the bytes in one piece, then keeps its connection open, closes it or resets it. A reply that
cannot be trusted is the balancer's own 502, and its socket is used for nobody else.
"""

from .case import CHUNKED, Answer, BadGateway, Cut, ReplyCase

OK = b"HTTP/1.1 200 OK\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"  # no client may ever see it
FIVE = OK + b"Content-Length: 5\r\n"
WHOLE = FIVE + b"\r\nhello"
EMPTY = b"Content-Length: 0\r\n\r\n"
IN_CHUNKS = OK + CHUNKED


def bad(name, section, send, **more):
    return ReplyCase(name, section, send, BadGateway(), **more)


def good(name, section, send, head, body=b"", **more):
    about = {k: more.pop(k) for k in ("interim", "reused", "kept") if k in more}
    return ReplyCase(name, section, send, Answer(head, body, **about), **more)


def cut(name, section, send, begins=b"", **more):
    return ReplyCase(name, section, send, Cut(begins), **more)


STATUS_LINE = [
    bad("garbage", "9112 4", b"\x00\x01\x02\x03\r\n\r\n"),
    bad("HTTP/0.9: only a body", "9112 C.1", b"<html>hello</html>", then="close"),
    bad("HTTP/0.9 with an empty line in it", "9112 C.1", b"<html>\r\n\r\n</html>", then="close"),
    bad("version HTTP/2.0", "9112 2.3", b"HTTP/2.0 200 OK\r\n" + EMPTY),
    bad("version HTTP/0.9", "9112 2.3", b"HTTP/0.9 200 OK\r\n" + EMPTY),
    bad("version of small letters", "9112 4", b"http/1.1 200 OK\r\n" + EMPTY),
    bad("version HTTP/1.10", "9112 4", b"HTTP/1.10 200 OK\r\n" + EMPTY),
    bad("another protocol", "9112 4", b"ICY 200 OK\r\n" + EMPTY),
    bad("two blanks before the status", "9112 4", b"HTTP/1.1  200 OK\r\n" + EMPTY),
    bad("tab before the status", "9112 4", b"HTTP/1.1\t200 OK\r\n" + EMPTY),
    bad("status of two digits", "9110 15", b"HTTP/1.1 20 OK\r\n" + EMPTY),
    bad("status of four digits", "9110 15", b"HTTP/1.1 2000 OK\r\n" + EMPTY),
    bad("status with a letter", "9110 15", b"HTTP/1.1 2OO OK\r\n" + EMPTY),
    bad("status with a sign", "9110 15", b"HTTP/1.1 +20 OK\r\n" + EMPTY),
    bad("status 000", "9110 15", b"HTTP/1.1 000 OK\r\n" + EMPTY),
    bad("status 099", "9110 15", b"HTTP/1.1 099 OK\r\n" + EMPTY),
    bad("status 600", "9110 15", b"HTTP/1.1 600 OK\r\n" + EMPTY),
    bad("no status", "9112 4", b"HTTP/1.1\r\n" + EMPTY),
    bad("empty line before the status line", "9112 4", b"\r\n" + WHOLE),
    bad("reason with a control character", "9112 4", b"HTTP/1.1 200 O\x01K\r\n" + EMPTY),
    bad("reason with a bare CR", "9112 4", b"HTTP/1.1 200 O\rK\r\n" + EMPTY),
    bad("reason that ends with a bare LF", "9112 2.2", b"HTTP/1.1 200 OK\n" + EMPTY),
    bad("a request instead of a reply", "9112 4", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    good("no reason", "9112 4", b"HTTP/1.1 200 \r\n" + EMPTY, b"HTTP/1.1 200 \r\nContent-Length: 0\r\n"),
    good("no reason and no blank", "9112 4", b"HTTP/1.1 200\r\n" + EMPTY, b"HTTP/1.1 200 \r\nContent-Length: 0\r\n"),
    good("reason beyond ASCII", "9112 4", b"HTTP/1.1 200 \xe9\r\n" + EMPTY, b"HTTP/1.1 200 \xe9\r\nContent-Length: 0\r\n"),
    good("an unknown status of a known class", "9110 15", b"HTTP/1.1 299 Odd\r\n" + EMPTY,
         b"HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n"),
    good("HTTP/1.0 is answered as 1.1 and its socket is not kept", "9112 9.3", b"HTTP/1.0 200 OK\r\n" + EMPTY,
         OK + b"Content-Length: 0\r\n", reused=False),
    good("HTTP/1.0 that keeps alive", "9112 C.2.2", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + EMPTY,
         OK + b"Content-Length: 0\r\n"),
]  # fmt: skip

FIELDS = [
    bad("space before the colon", "9112 5.1", OK + b"X-A : 1\r\n" + EMPTY),
    bad("no colon", "9112 5", OK + b"X-A\r\n" + EMPTY),
    bad("no name", "9112 5", OK + b": 1\r\n" + EMPTY),
    bad("obs-fold", "9112 5.2", OK + b"X-A: 1\r\n 2\r\n" + EMPTY),
    bad("obs-fold at the first field", "9112 2.2", OK + b" X-A: 1\r\n" + EMPTY),
    bad("value with NUL", "9110 5.5", OK + b"X-A: 1\x002\r\n" + EMPTY),
    bad("value with a bare CR", "9110 5.5", OK + b"X-A: 1\r2\r\n" + EMPTY),
    bad("value with a bare CR that hides a field", "9110 5.5", OK + b"X-A: 1\rContent-Length: 5\r\n" + EMPTY),
    bad("value that ends with a bare LF", "9112 2.2", OK + b"X-A: 1\nX-B: 2\r\n" + EMPTY),
    bad("a head of 20 KiB", "9112 5", OK + b"X-A: " + b"a" * 20000 + b"\r\n" + EMPTY),
    bad("a thousand fields", "9112 5", OK + b"a: b\r\n" * 1000 + EMPTY),
    good("hop-by-hop fields are removed", "9110 7.6.1",
         OK + b"Connection: keep-alive, x-a\r\nKeep-Alive: timeout=5\r\nX-A: 1\r\nX-B: 2\r\nProxy-Connection: x\r\n"
         b"TE: x\r\nTrailer: x\r\nUpgrade: h2c\r\n" + EMPTY, OK + b"X-B: 2\r\nContent-Length: 0\r\n"),
    good("fields that Connection names are removed", "9110 7.6.1",
         OK + b"X-Secret: 1\r\nConnection: X-SECRET\r\nx-secret: 2\r\n" + EMPTY, OK + b"Content-Length: 0\r\n"),
    good("Connection cannot remove the length", "9110 7.6.1",
         FIVE + b"Connection: Content-Length\r\n\r\nhello", FIVE, b"hello"),
    good("Connection cannot remove the coding", "9110 7.6.1",
         IN_CHUNKS + b"Connection: Transfer-Encoding\r\n\r\n5\r\nhello\r\n0\r\n\r\n", IN_CHUNKS, b"hello"),
    good("X-Served-By is ours to say", "9110 5.3", OK + b"X-Served-By: other\r\n" + EMPTY, OK + b"Content-Length: 0\r\n"),
    good("close of the replica is not close of the client", "9112 9.6", OK + b"Connection: close\r\n" + EMPTY,
         OK + b"Content-Length: 0\r\n", reused=False, then="close"),
    good("two cookies stay two", "9110 5.3", OK + b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n" + EMPTY,
         OK + b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n"),
]  # fmt: skip

FRAMING = [
    bad("two different lengths", "9112 6.3", OK + b"Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello"),
    bad("two equal lengths", "9112 6.3", OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    bad("a list of lengths", "9112 6.3", OK + b"Content-Length: 5, 4\r\n\r\nhello"),
    bad("length with a plus", "9110 8.6", OK + b"Content-Length: +5\r\n\r\nhello"),
    bad("length of 2^64 + 5", "9110 8.6", OK + b"Content-Length: 18446744073709551621\r\n\r\nhello"),
    bad("length without a value", "9110 8.6", OK + b"Content-Length:\r\n\r\n"),
    bad("length and coding", "9112 6.3", FIVE + CHUNKED + b"\r\n0\r\n\r\n"),
    bad("coding and length", "9112 6.3", IN_CHUNKS + b"Content-Length: 5\r\n\r\n0\r\n\r\n"),
    bad("coding in HTTP/1.0", "9112 6.1", b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n0\r\n\r\n"),
    bad("chunked twice", "9112 6.1", IN_CHUNKS + CHUNKED + b"\r\n0\r\n\r\n"),
    bad("chunked not last", "9112 6.3", OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    bad("a coding we do not know", "9112 6.1", OK + b"Transfer-Encoding: gzip\r\n\r\nx", then="close"),
    bad("identity", "9112 7", OK + b"Transfer-Encoding: identity\r\n\r\nx", then="close"),
    bad("coding after a vertical tab", "9110 5.5", OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    cut("size that is no number", "9112 7.1", IN_CHUNKS + b"\r\nxyz\r\nhello\r\n0\r\n\r\n"),
    cut("size with 0x", "9112 7.1", IN_CHUNKS + b"\r\n0x5\r\nhello\r\n0\r\n\r\n"),
    cut("size that overflows", "9112 7.1", IN_CHUNKS + b"\r\nffffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    cut("size line with a bare LF", "9112 7.1", IN_CHUNKS + b"\r\n5\nhello\r\n0\r\n\r\n"),
    cut("data longer than its size", "9112 7.1", IN_CHUNKS + b"\r\n5\r\nhelloo\r\n0\r\n\r\n", b"hello"),
    cut("a bad size after a good chunk", "9112 7.1", IN_CHUNKS + b"\r\n5\r\nhello\r\n-1\r\n", b"hello"),
    good("extensions and trailers are dropped", "9112 7.1",
         IN_CHUNKS + b"\r\n5;a=b\r\nhello\r\n0;c\r\nX-Sum: 1\r\n\r\n", IN_CHUNKS, b"hello"),
    good("to HTTP/1.0 the coding is taken off", "9112 6.1", IN_CHUNKS + b"\r\n5\r\nhello\r\n0\r\n\r\n", OK, b"hello",
         version=b"1.0", kept=False),
    good("a body up to the end becomes chunks", "9112 6.3", OK + b"\r\nhello", IN_CHUNKS, b"hello", then="close",
         reused=False),
    good("a body up to the end for HTTP/1.0", "9112 6.3", OK + b"\r\nhello", OK, b"hello", then="close", reused=False,
         version=b"1.0", kept=False),
]  # fmt: skip

NO_BODY = [
    good("204 has no body and no length", "9110 8.6", b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 204 No Content\r\n"),
    good("204 with a length", "9110 8.6", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
         b"HTTP/1.1 204 No Content\r\n"),
    good("204 with a length and a body", "9112 6.3", b"HTTP/1.1 204 No Content\r\nContent-Length: 49\r\n\r\n" + EVIL,
         b"HTTP/1.1 204 No Content\r\n", reused=False),
    good("204 with a coding and a body", "9112 6.3",
         b"HTTP/1.1 204 No Content\r\n" + CHUNKED + b"\r\n5\r\nhello\r\n0\r\n\r\n",
         b"HTTP/1.1 204 No Content\r\n", reused=False),
    good("304 with a length has no body", "9112 6.3", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
         b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n"),
    good("304 with a body", "9112 6.3", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 49\r\n\r\n" + EVIL,
         b"HTTP/1.1 304 Not Modified\r\nContent-Length: 49\r\n", reused=False),
    good("HEAD with a length has no body", "9110 9.3.2", FIVE + b"\r\n", FIVE, method=b"HEAD"),
    good("HEAD with a coding has no body", "9112 6.1", IN_CHUNKS + b"\r\n", OK, method=b"HEAD"),
    good("HEAD with a body", "9110 9.3.2", FIVE + b"\r\nhello", FIVE, method=b"HEAD", reused=False),
    good("HEAD with another reply for a body", "9112 6.3", OK + b"Content-Length: 49\r\n\r\n" + EVIL,
         OK + b"Content-Length: 49\r\n", method=b"HEAD", reused=False),
    bad("HEAD with two lengths", "9112 6.3", OK + b"Content-Length: 5\r\nContent-Length: 4\r\n\r\n", method=b"HEAD"),
]  # fmt: skip

INTERIM = [
    good("100 unasked", "9110 15.2", b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE, FIVE, b"hello", interim=(100,)),
    good("103 and 102 before the answer", "9110 15.2",
         b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + WHOLE, FIVE, b"hello",
         interim=(103, 102)),
    good("an interim reply of no known number", "9110 15.2", b"HTTP/1.1 199 Odd\r\n\r\n" + WHOLE, FIVE, b"hello",
         interim=(199,)),
    good("a length in an interim reply says nothing", "9112 6.3",
         b"HTTP/1.1 100 Continue\r\nContent-Length: 49\r\n\r\n" + WHOLE, FIVE, b"hello", interim=(100,)),
    good("a coding in an interim reply says nothing", "9112 6.3",
         b"HTTP/1.1 103 Early Hints\r\n" + CHUNKED + b"\r\n" + WHOLE, FIVE, b"hello", interim=(103,)),
    good("close in an interim reply", "9112 9.6", b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n" + WHOLE, FIVE,
         b"hello", interim=(100,)),
    good("to HTTP/1.0 there are no interim replies", "9110 15.2",
         b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + WHOLE, FIVE, b"hello", version=b"1.0",
         kept=False),
    ReplyCase("a hundred interim replies", "9110 15.2", b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + WHOLE, BadGateway()),
    good("hop-by-hop fields of an interim reply are removed", "9110 7.6.1",
         b"HTTP/1.1 103 Early Hints\r\nConnection: close, X-Hop, Upgrade\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: x\r\n"
         b"Upgrade: echo\r\nTrailer: x\r\nProxy-Connection: close\r\nX-Served-By: evil\r\n\r\n" + WHOLE, FIVE, b"hello",
         interim=(103,)),
    good("length and coding in an interim reply that has no body", "9112 6.3",
         b"HTTP/1.1 102 Processing\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\n" + WHOLE, FIVE, b"hello",
         interim=(102,)),
    good("sixteen interim replies", "9110 15.2", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 16 + WHOLE, FIVE, b"hello",
         interim=(103,) * 16),
    bad("seventeen interim replies", "9110 15.2", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17 + WHOLE),
    bad("obs-fold in an interim reply", "9112 5.2", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n b\r\n\r\n" + WHOLE),
    bad("NUL in an interim reply", "9110 5.5", b"HTTP/1.1 103 Early Hints\r\nLink: a\x00\r\n\r\n" + WHOLE),
    bad("length and coding in an interim reply", "9112 6.3",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n" + CHUNKED + b"\r\n" + WHOLE),
    bad("an interim reply and garbage", "9112 4", b"HTTP/1.1 100 Continue\r\n\r\nevil\r\n\r\n" + WHOLE),
    bad("the end within an interim reply", "9112 8", b"HTTP/1.1 103 Early Hints\r\nLink", then="close"),
    bad("a reset behind an interim reply", "9112 8", b"HTTP/1.1 100 Continue\r\n\r\n", then="reset"),
    bad("a malformed interim reply", "9112 5", b"HTTP/1.1 100 Continue\r\nX A: 1\r\n\r\n" + WHOLE),
    bad("only an interim reply", "9110 15.2", b"HTTP/1.1 100 Continue\r\n\r\n", then="close"),
    bad("101 that nobody asked for", "9110 15.2.2",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + EVIL),
    bad("101 without its fields", "9110 15.2.2", b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + EVIL),
    bad("101 after 100", "9110 15.2.2",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
]  # fmt: skip

ASKS = b"Connection: Upgrade\r\nUpgrade: echo\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n"

UPGRADE = [
    bad("101 to a protocol that was not offered", "9110 15.2.2",
        SWITCHING + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + EVIL, fields=ASKS),
    bad("101 to the one that was offered and another", "9110 7.8",
        SWITCHING + b"Connection: Upgrade\r\nUpgrade: echo, h2c\r\n\r\n" + EVIL, fields=ASKS),
    bad("101 to another version", "9110 7.8", SWITCHING + b"Connection: Upgrade\r\nUpgrade: echo/2\r\n\r\n" + EVIL,
        fields=ASKS),
    bad("101 to what was taken out of the offer", "9113 3.1",
        SWITCHING + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + EVIL,
        fields=b"Connection: Upgrade\r\nUpgrade: echo, h2c\r\n"),
    bad("101 that does not say to what", "9110 15.2.2", SWITCHING + b"Connection: Upgrade\r\n\r\n" + EVIL, fields=ASKS),
    bad("101 whose Upgrade is not named in Connection", "9110 7.8", SWITCHING + b"Upgrade: echo\r\n\r\n" + EVIL,
        fields=ASKS),
    bad("101 that names no protocol", "9110 7.8", SWITCHING + b"Connection: Upgrade\r\nUpgrade: ,\r\n\r\n" + EVIL,
        fields=ASKS),
    bad("101 of HTTP/1.0", "9110 7.8",
        b"HTTP/1.0 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n" + EVIL, fields=ASKS),
    bad("101 to an offer without Connection", "9110 7.8",
        SWITCHING + b"Connection: Upgrade\r\nUpgrade: echo\r\n\r\n" + EVIL, fields=b"Upgrade: echo\r\n"),
    bad("101 to an offer of HTTP/1.0", "9110 7.8",
        SWITCHING + b"Connection: Upgrade\r\nUpgrade: echo\r\n\r\n" + EVIL, fields=ASKS + b"Connection: keep-alive\r\n",
        version=b"1.0"),
    bad("a malformed 101 to an offer", "9112 5",
        SWITCHING + b"Connection: Upgrade\r\nUpgrade: echo\r\nX A: 1\r\n\r\n" + EVIL, fields=ASKS),
    bad("half a 101", "9112 8", SWITCHING + b"Connection: Upgrade\r\nUpgrade: ec", then="close", fields=ASKS),
    good("an offer that is not taken up", "9110 7.8", WHOLE, FIVE, b"hello", fields=ASKS),
    good("426 to an offer keeps its Upgrade to this hop", "9110 15.5.22",
         b"HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: b\r\nContent-Length: 5\r\n\r\nhello",
         b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 5\r\n", b"hello", fields=ASKS),
]  # fmt: skip

END = [
    good("bytes behind the length", "9112 9.2", WHOLE + b"evil", FIVE, b"hello", reused=False),
    good("another reply behind the length", "9112 9.2", WHOLE + EVIL, FIVE, b"hello", reused=False),
    good("another reply behind the last chunk", "9112 9.2", IN_CHUNKS + b"\r\n5\r\nhello\r\n0\r\n\r\n" + EVIL, IN_CHUNKS,
         b"hello", reused=False),
    good("another reply behind a 204", "9112 9.2", b"HTTP/1.1 204 No Content\r\n\r\n" + EVIL,
         b"HTTP/1.1 204 No Content\r\n", reused=False),
    good("an interim reply behind the answer", "9112 9.2", WHOLE + b"HTTP/1.1 100 Continue\r\n\r\n", FIVE, b"hello",
         reused=False),
    good("one byte behind the answer", "9112 9.2", WHOLE + b"\n", FIVE, b"hello", reused=False),
    bad("nothing at all", "9112 8", b"", then="close"),
    bad("a reset and nothing else", "9112 8", b"", then="reset"),
    bad("the end within the status line", "9112 8", b"HTTP/1.1 2", then="close"),
    bad("the end within the fields", "9112 8", OK + b"Content-Le", then="close"),
    bad("the end before the empty line", "9112 8", FIVE, then="close"),
    cut("the end within the length", "9112 8", OK + b"Content-Length: 50\r\n\r\nhello", b"hello", then="close"),
    cut("the end before the body", "9112 8", FIVE + b"\r\n", then="close"),
    cut("the end within a chunk", "9112 8", IN_CHUNKS + b"\r\n50\r\nhello", b"hello", then="close"),
    cut("the end within a size", "9112 8", IN_CHUNKS + b"\r\n5\r\nhello\r\n1", b"hello", then="close"),
    cut("the end before the last chunk", "9112 8", IN_CHUNKS + b"\r\n5\r\nhello\r\n", b"hello", then="close"),
    cut("the end within the last chunk", "9112 8", IN_CHUNKS + b"\r\n5\r\nhello\r\n0\r\n", b"hello", then="close"),
    cut("the end within the trailers", "9112 8", IN_CHUNKS + b"\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n", b"hello",
        then="close"),
]  # fmt: skip

CASES = STATUS_LINE + FIELDS + FRAMING + NO_BODY + INTERIM + UPGRADE + END
