#!/usr/bin/python3
"""report.py - the same cases through Ringmaster, nginx and HAProxy, as a table. A report, not a test: the peers
have their own ideas of what to forgive, and nobody's build fails for them.

    /usr/bin/python3 tests/e2e/hostile/report.py > docs/hostile-report.md

Needs the Debian packages nginx and haproxy (each is left out when it is missing) and a release build. Each
proxy is set up to do the same: HTTP/1.1 with keep-alive to one replica, upgrades as its manual shows them, no
buffering of what is in doubt, no rewriting beyond its defaults.
"""

import collections
import datetime
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import free_ports, until  # noqa: E402
from hostile import observe, replies, requests_body, requests_fields, requests_line  # noqa: E402
from hostile.case import Answer, BadGateway, Cut, Passed, Silent  # noqa: E402
from hostile.recorder import Recorder  # noqa: E402
from ringmaster import Ringmaster  # noqa: E402
from wire import ask  # noqa: E402

REQUESTS = requests_line.CASES + requests_fields.CASES + requests_body.CASES
PATIENCE = 0.7  # a proxy that has not answered by then waits for more

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; user root;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/a; uwsgi_temp_path {folder}/b; scgi_temp_path {folder}/c;
    upstream replica {{ server {place}; keepalive 16; }}
    map $http_upgrade $hop {{ default Upgrade; '' ''; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replica; proxy_http_version 1.1;
            proxy_set_header Connection $hop; proxy_set_header Upgrade $http_upgrade; proxy_set_header Host $http_host;
            proxy_request_buffering off; proxy_next_upstream off;
        }}
    }}
}}
"""

HAPROXY = """
global
    maxconn 512
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
    option http-keep-alive
frontend in
    bind 127.0.0.1:{port}
    default_backend out
backend out
    http-reuse always
    retries 0
    server replica {place}
"""


class Peer:
    """nginx or HAProxy with a configuration of ours."""

    def __init__(self, name, folder, place, text, command):
        self.name = name
        self.port = free_ports()
        config = folder / f"{name}.conf"
        config.write_text(text.format(folder=folder, place=place, port=self.port))
        self.process = subprocess.Popen(
            [*command, str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: ask(self.port, "GET", "/fence").status == 200, what=f"{name} to serve")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def version(command):
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    words = (said.stdout + said.stderr).split("\n")[0].replace("version:", "").replace("version", "").split()
    return " ".join(words[:2]).replace("nginx nginx", "nginx")


# ---- what happened, in a word or two -----------------------------------------------------------------------


def told_request(case, seen):
    """(words, kind): kind is one of ok, lax, strict, raw, odd, against what the table wants."""
    statuses = " ".join(str(reply.status) for reply in seen.replies)
    words = statuses or ("waits" if seen.waits else "closed")
    if seen.waits and statuses:
        words += ", waits"
    if seen.broken:
        words += ", broken off"
    wanted = [e for e in case.expect if isinstance(e, Passed)]
    got = seen.complete
    if any(b"/stolen" in m.target for m in got):
        return f"**{words}, read on**", "lax"
    if len(got) > len(wanted):
        return f"{words}, passed on", "lax"
    if len(got) < len(wanted):
        return f"{words}, refused", "strict"
    faults = [fault.split(" ")[0] for m in got for fault in m.faults]
    if faults:
        return f"{words}, passed on with {', '.join(sorted(set(faults)))}", "raw"
    if [m.body for m in got] != [e.body for e in wanted]:
        return f"{words}, another body", "lax"
    if seen.waits and not any(isinstance(e, Silent) for e in case.expect):
        return words, "odd"
    return words, "ok"


def told_reply(case, seen, spoilt):
    statuses = " ".join(str(reply.status) for reply in seen.replies)
    words = statuses or ("waits" if seen.waits else "cut" if seen.broken or seen.raw else "closed")
    came = b"".join(r.raw_head + r.body for r in seen.replies) + seen.raw
    if spoilt:
        return f"**{words}, next client got another answer**", "lax"
    if b"evil" in came:
        return f"**{words}, passed on foreign bytes**", "lax"
    passed = seen.replies and seen.replies[0].status not in (502, 504)
    if isinstance(case.expect, Answer):
        return (words, "ok") if passed else (f"{words}, refused", "strict")
    if isinstance(case.expect, (BadGateway, Cut)) and passed:
        return f"{words}, passed on as whole", "lax"
    return words, "odd" if seen.waits else "ok"


def spoils_the_next(port, case):
    try:
        reply = ask(port, "GET", "/next", patience=PATIENCE)
    except (OSError, AssertionError):
        return False
    return reply.status == 200 and reply.body != b"GET /next"


def run(name, port, recorder):
    print(f"{name} …", file=sys.stderr)
    requests = []
    for case in REQUESTS:
        requests.append(told_request(case, observe.request(port, recorder, case, patience=PATIENCE)))
    answers = []
    for case in replies.CASES:
        seen = observe.reply(port, recorder, case, patience=PATIENCE)
        answers.append(told_reply(case, seen, spoils_the_next(port, case)))
    return requests, answers


# ---- the page ----------------------------------------------------------------------------------------------

KINDS = {
    "ok": "as the table wants",
    "lax": "passed on what the table refuses",
    "raw": "passed on, but not canonical",
    "strict": "refused what the table lets pass",
    "odd": "neither answered nor closed within %.1f s" % PATIENCE,
}


def wanted_of(case):
    if not hasattr(case.expect, "__iter__"):
        return {BadGateway: "502", Cut: "cut or 502"}.get(type(case.expect), "passed")
    words = []
    for e in case.expect:
        words.append("passed" if isinstance(e, Passed) else "closed" if isinstance(e, Silent) else str(e.status))
    return ", ".join(words)


def print_counts(title, names, results):
    print(f"| {title} | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    for kind, text in KINDS.items():
        counts = [collections.Counter(k for _, k in result)[kind] for result in results]
        print(f"| {text} | {' | '.join(map(str, counts))} |")
    print()


def print_alone(cases, results):
    """Where we stand alone with what we let pass, we had better be right."""
    ours, *others = results
    alone = []
    for number, case in enumerate(cases):
        let_pass = ours[number][1] == "lax" or (ours[number][1] == "ok" and wanted_of(case).startswith("passed"))
        if others and let_pass and all(other[number][1] == "strict" for other in others):
            alone.append(f"{case.name} ({case.section})")
    print(f"Passed by Ringmaster and refused by all others: {', '.join(alone) or 'none'}.\n")


def print_table(cases, names, results):
    print(f"| case | RFC | wanted | {' | '.join(names)} |\n|---|---|---|{'---|' * len(names)}")
    for number, case in enumerate(cases):
        cells = [result[number][0] for result in results]
        print(f"| {case.name} | {case.section} | {wanted_of(case)} | {' | '.join(cells)} |")
    print()


def main():
    recorder = Recorder(free_ports())
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        settings = {
            "workers": 1,
            "replicas": {"driver": "static", "count": None, "static": {"addresses": [recorder.place]}},
            "health": {"interval_ms": 60000, "unready_after": 100, "dead_after": 1000},
        }
        mine = Ringmaster(folder / "ringmaster", settings).start()
        names, results = ["Ringmaster"], [run("Ringmaster", mine.port, recorder)]
        mine.stop()
        peers = (
            ("nginx", NGINX, ["nginx", "-c"], ["nginx", "-v"]),
            ("haproxy", HAPROXY, ["haproxy", "-db", "-f"], ["haproxy", "-v"]),
        )
        for name, text, command, version_command in peers:
            if shutil.which(name) is None:
                print(f"{name} is not installed", file=sys.stderr)
                continue
            peer = Peer(name, folder, recorder.place, text, command)
            names.append(version(version_command))
            results.append(run(name, peer.port, recorder))
            peer.stop()
    recorder.stop()
    print("# Hostile bytes: Ringmaster beside nginx and HAProxy\n")
    print(f"{datetime.date.today()}, {platform.system()} {platform.machine()}; printed by tests/e2e/hostile/report.py.\n")
    print("What is wanted is our own reading of the RFCs, strict where they leave a choice: another proxy that repairs")
    print("instead of refusing is not wrong by that alone. \"Canonical\" is what our replica counts as such: one framing,")
    print("one Host, no hop-by-hop field, no control character, chunks without extensions. Bold are a request that")
    print("reached the replica where a strict reader sees none (read on), and bytes of one answer in another; behind a")
    print("101 that should have been refused they are what its tunnel carried.\n")
    print_counts(f"{len(REQUESTS)} requests", names, [r for r, _ in results])
    print_alone(REQUESTS, [r for r, _ in results])
    print_counts(f"{len(replies.CASES)} replies", names, [a for _, a in results])
    print_alone(replies.CASES, [a for _, a in results])
    print("## Requests\n\nThe status the client got, and what the replica saw.\n")
    print_table(REQUESTS, names, [r for r, _ in results])
    print("## Replies\n\nWhat the client got.\n")
    print_table(replies.CASES, names, [a for _, a in results])


if __name__ == "__main__":
    main()
