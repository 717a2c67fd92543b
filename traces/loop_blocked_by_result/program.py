"""A coroutine hands another one to the event loop it runs in, and blocks until that is done.

The loop has one thread. That thread sits in result(), and so never comes to run the other one.

program.py [deadlock | timeout | awaited]
"""

import asyncio
import sys

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"


async def fetch(page):
    return f"page {page}"


async def summary():
    if how == "awaited":
        return await fetch(1)
    future = asyncio.run_coroutine_threadsafe(fetch(1), asyncio.get_running_loop())
    try:
        return future.result(timeout=0.2 if how == "timeout" else None)
    except TimeoutError:
        return "no page in time"


print(asyncio.run(summary()))
