"""Every worker of asyncio's default executor waits for a coroutine that needs one of them itself.

The event loop is free all the time. But each of the coroutines awaits to_thread, whose call stands
in the queue of the same executor, behind the calls that wait for these coroutines.

program.py [deadlock | enough-workers | timeout | rearranged]
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
WORKERS = 3
all_begun = Barrier(WORKERS)


def read(name):
    return f"contents of {name}"


async def load(name):
    return await asyncio.to_thread(read, name)


def render(name, loop):
    all_begun.wait()
    if how == "rearranged":
        return read(name)
    contents = asyncio.run_coroutine_threadsafe(load(name), loop)
    try:
        return contents.result(timeout=0.2 if how == "timeout" else None)
    except TimeoutError:
        return f"{name} not read in time"


async def site():
    loop = asyncio.get_running_loop()
    workers = WORKERS + 1 if how == "enough-workers" else WORKERS
    loop.set_default_executor(ThreadPoolExecutor(workers, thread_name_prefix="files"))
    pages = (asyncio.to_thread(render, name, loop) for name in ("home", "news", "help"))
    return await asyncio.gather(*pages)


print(asyncio.run(site()))
