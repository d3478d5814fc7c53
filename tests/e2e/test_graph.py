"""/performancegraph on both ports: an image whose numbers are what the clients saw."""

import xml.etree.ElementTree as ElementTree

import pytest

from wire import Wire

SVG = "{http://www.w3.org/2000/svg}"
PATHS = ("/performancegraph", "/performance_graph")
HOSTILE = ["a@b.c", "x" * 63, "Server 4", "-._@"]  # what /add lets through


def bars(reply):
    """name -> (total, success, failure), from the numbers beside the bars."""
    assert reply.status == 200, reply
    assert reply.get("Content-Type") == "image/svg+xml"
    assert reply.get("Content-Length") == str(len(reply.body))
    root = ElementTree.fromstring(reply.body.decode())
    assert root.tag == f"{SVG}svg"
    found = {}
    for group in root.iter(f"{SVG}g"):
        texts = [text.text for text in group.findall(f"{SVG}text")]
        found[group.find(f"{SVG}title").text] = tuple(int(t.replace(",", "")) for t in texts[1:])
    return found


@pytest.mark.parametrize("path", PATHS)
def test_the_graph_counts_what_the_replicas_answered(balancer, path):
    mine = balancer()
    assert bars(mine.ask("GET", path)) == {f"Server {i}": (0, 0, 0) for i in (1, 2, 3)}
    served = {}
    with Wire(mine.port) as wire:
        for number in range(300):
            target = f"/home?request_id={number}" if number % 3 else f"/nonesuch?request_id={number}"
            reply = wire.ask("GET", target)
            good, bad = served.get(reply.served_by, (0, 0))
            served[reply.served_by] = (good + (reply.status == 200), bad + (reply.status == 400))
    expected = {name: (good + bad, good, bad) for name, (good, bad) in served.items()}
    assert len(expected) == 3
    assert bars(mine.ask("GET", path)) == expected
    assert bars(mine.admin("GET", f"/_lb{path}")) == expected


def test_head_has_the_head_and_no_body(balancer):
    mine = balancer()
    whole = mine.ask("GET", PATHS[0])
    with Wire(mine.port) as wire:
        wire.send(f"HEAD {PATHS[0]} HTTP/1.1\r\nHost: a\r\n\r\n")
        reply = wire.read_reply("HEAD")
        assert reply.status == 200
        assert reply.get("Content-Type") == "image/svg+xml"
        assert reply.get("Content-Length") == str(len(whole.body))
        assert wire.ask("GET", "/rep").status == 200  # the connection goes on: no body was sent


def test_names_from_add_are_shown(balancer):
    mine = balancer()
    assert mine.add({"n": len(HOSTILE), "hostnames": HOSTILE}).status == 200
    assert list(bars(mine.ask("GET", PATHS[0]))) == ["Server 1", "Server 2", "Server 3", *HOSTILE]

