"""hostile - bytes made to confuse an intermediary, as data, and what must become of them.

case.py         what a case is
requests_*.py   what a client may send        (tests/e2e/test_hostile.py runs them)
replies.py      what a replica may answer
recorder.py     the replica that keeps every byte it gets
observe.py      one case through one proxy: what the client and the replica saw
report.py       the same cases through nginx and HAProxy: a table, not a test
"""
