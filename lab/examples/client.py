#!/usr/bin/python3
"""An asynchronous client: 10,000 requests with random ids, 100 at a time, counted by replica.

lab/examples/client.py [URL] [requests]
"""

import asyncio
import random
import sys
import time
from collections import Counter

import aiohttp

AT_ONCE = 100


async def main(url, requests):
    served, failed = Counter(), Counter()
    ids = iter(random.sample(range(100000, 1000000), requests))

    async def worker(session):
        for request_id in ids:  # shared: each id is sent once
            try:
                async with session.get(f"{url}/request", params={"request_id": request_id}) as reply:
                    await reply.read()
                    if reply.status == 200:
                        served[reply.headers["X-Served-By"]] += 1
                    else:
                        failed[reply.status] += 1
            except aiohttp.ClientError as problem:
                failed[type(problem).__name__] += 1

    start = time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:
        await asyncio.gather(*(worker(session) for _ in range(AT_ONCE)))
    seconds = time.monotonic() - start
    for name, count in sorted(served.items()):
        print(f"{name:24} {count:8}  {100 * count / requests:6.2f} %")
    mean = sum(served.values()) / max(1, len(served))
    print(f"max/mean {max(served.values(), default=0) / max(mean, 1):.3f}; failed {dict(failed)}; "
          f"{requests / seconds:.0f} requests a second")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:5000",
                 int(sys.argv[2]) if len(sys.argv) > 2 else 10000))
