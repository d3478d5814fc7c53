"""founder.py - what the tests of the founding systems share: their presets, and many requests in a row.

Owns     the list of presets; count_served.
Used by  the tests of this directory.
"""

from collections import Counter

from harness import free_ports
from ringmaster import shipped
from wire import Wire, request_bytes

PRESETS = ("assignment", "printed-variant", "flat-variant", "md5-1024", "md5-512")
AT_ONCE = 100  # requests sent on one connection before their replies are read


def preset(name, second_port=None):
    """The text of a preset with its ports left open; with a second port to listen on."""
    text = shipped(f"conf/presets/{name}.conf")
    if second_port is None:
        return text
    one = 'listen = [ "127.0.0.1:{port}" ]'
    assert one in text
    return text.replace(one, f'listen = [ "127.0.0.1:{{port}}", "127.0.0.1:{second_port}" ]')


def two_ports(balancer, name):
    """A balancer of that preset on two traffic ports, as 5000 and 7432 are; returns it and the second port."""
    second = free_ports()
    return balancer(text=preset(name, second)), second


def ask_all(port, targets):
    """The replies to all targets, in order, over one connection."""
    replies = []
    targets = list(targets)
    with Wire(port) as wire:
        for first in range(0, len(targets), AT_ONCE):
            part = targets[first : first + AT_ONCE]
            wire.send(b"".join(request_bytes("GET", target) for target in part))
            replies += [wire.read_reply() for _ in part]
    return replies


def count_served(port, ids, target="/home"):
    """How many of the requests with these ids each replica answered, by X-Served-By; all must be 200."""
    replies = ask_all(port, (f"{target}?request_id={i}" for i in ids))
    assert {reply.status for reply in replies} == {200}
    return Counter(reply.served_by for reply in replies)
