"""keys.py - who answers which key, asked of a balancer over one connection.

Used by  test_swarm.py, and those of tests/docker and bench/recovery that look at a swarm.
"""

import http.client


def answers(port, keys, host="127.0.0.1"):
    """(status, who answered) of each of so many keys."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    out = []
    for key in range(keys):
        connection.request("GET", f"/home?request_id={key * 7919}")
        reply = connection.getresponse()
        reply.read()
        out.append((reply.status, reply.getheader("X-Served-By")))
    connection.close()
    return out


def placed(port, keys, host="127.0.0.1"):
    """Who answers each of so many keys; none of them fails."""
    found = answers(port, keys, host)
    failed = [(key, status) for key, (status, _) in enumerate(found) if status != 200]
    assert not failed, failed[:5]
    return [name for _, name in found]
