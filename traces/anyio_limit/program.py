"""Forty requests at once in anyio's worker threads, and each needs one more thread.

anyio (and so Starlette and FastAPI, which run all code that is not async this way) lends out forty
tokens, one for each call in a thread. Each of the forty calls goes back to the event loop, whose
coroutine asks for a thread in its turn. With thirty-nine requests there is one token left, and all
get through; with forty there is none, for ever.

program.py [deadlock | thirty-nine | timeout | rearranged | own-limiter]
"""

import sys
from threading import Barrier

import anyio
from anyio import CapacityLimiter, from_thread, to_thread

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
REQUESTS = 39 if how == "thirty-nine" else 40
all_begun = Barrier(REQUESTS)
queries = CapacityLimiter(1) if how == "own-limiter" else None


def query(user):
    return f"user {user}"


async def find(user):
    with anyio.move_on_after(0.2 if how == "timeout" else None):
        return await to_thread.run_sync(query, user, limiter=queries)
    return "nobody in time"


def request(user):
    all_begun.wait()
    if how == "rearranged":
        return query(user)
    return from_thread.run(find, user)


async def serve():
    async with anyio.create_task_group() as requests:
        for user in range(REQUESTS):
            requests.start_soon(to_thread.run_sync, request, user)


anyio.run(serve)
print("all requests are answered")
