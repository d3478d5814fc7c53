"""nameserver.py - a DNS server on loopback that answers what a test wants, over UDP and TCP on one port.

Owns     the Nameserver class.
Used by  test_dns.py.

.records: {type: [address, ...]}, or a mood: "nxdomain", "servfail", "silent". .ttl in seconds. .truncate: UDP answers are
cut off and say so. .alias: the name is another one's, by CNAME. .asked counts questions by transport and type.
"""

import ipaddress
import socketserver
import struct
import threading
from collections import Counter

A, CNAME, AAAA = 1, 5, 28
CODES = {"servfail": 2, "nxdomain": 3}


def encode(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def read_name(packet, at):
    parts = []
    while packet[at]:
        parts.append(packet[at + 1 : at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(parts), at + 1


class Nameserver:
    def __init__(self, name):
        self.name = name
        self.records, self.mood, self.moods = {}, None, {}  # moods: of one type alone
        self.ttl, self.truncate, self.alias, self.alias_ttl = 0, False, None, 60
        self.asked = Counter()
        for _ in range(50):
            self.udp = socketserver.ThreadingUDPServer(("127.0.0.1", 0), self._handler("udp"))
            try:
                self.tcp = socketserver.ThreadingTCPServer(self.udp.server_address, self._handler("tcp"))
                break
            except OSError:  # that port is taken for TCP
                self.udp.server_close()
        self.tcp.daemon_threads = self.udp.daemon_threads = True
        self.place = "127.0.0.1:%d" % self.udp.server_address[1]
        for server in (self.udp, self.tcp):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        for server in (self.udp, self.tcp):
            server.shutdown()
            server.server_close()

    def _handler(self, transport):
        owner = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                if transport == "udp":
                    packet, sock = self.request
                    reply = owner.answer(packet, transport)
                    if reply:
                        sock.sendto(reply, self.client_address)
                    return
                self.request.settimeout(20)
                stream = self.request.makefile("rb")
                while len(head := stream.read(2)) == 2:
                    reply = owner.answer(stream.read(struct.unpack(">H", head)[0]), transport)
                    if reply:
                        self.request.sendall(struct.pack(">H", len(reply)) + reply)

        return Handler

    def answer(self, packet, transport):
        number, flags, questions = struct.unpack(">HHH", packet[:6])
        name, at = read_name(packet, 12)
        kind, _ = struct.unpack(">HH", packet[at : at + 4])
        question = packet[12 : at + 4]
        self.asked[transport, kind] += 1
        mood = self.moods.get(kind, self.mood)
        if mood == "silent":
            return None
        code = CODES.get(mood, 0 if name.lower() == self.name else 3)
        records = [] if code else self.made(kind)
        cut = transport == "udp" and self.truncate
        records = [] if cut else records
        flags = 0x8180 | (0x0200 if cut else 0) | code
        return struct.pack(">HHHHHH", number, flags, 1, len(records), 0, 0) + question + b"".join(records)

    def made(self, kind):
        owner, records = self.name, []
        if self.alias:
            target = encode(self.alias)
            records.append(encode(owner) + struct.pack(">HHIH", CNAME, 1, self.alias_ttl, len(target)) + target)
            owner = self.alias
        for text in self.records.get(kind, []):
            data = ipaddress.ip_address(text).packed
            records.append(encode(owner) + struct.pack(">HHIH", kind, 1, self.ttl, len(data)) + data)
        return records
