"""A coroutine blocks until a pool's task is done, and the task waits for the coroutine's loop.

The task asks the event loop for something by run_coroutine_threadsafe, as it should. But the loop's
thread waits for that very task, by result() instead of await, and runs nothing meanwhile.

program.py [deadlock | timeout | awaited]
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
pool = ThreadPoolExecutor(2, thread_name_prefix="orders")


async def stock(article):
    return f"three of {article}"


def order(article, loop):
    future = asyncio.run_coroutine_threadsafe(stock(article), loop)
    try:
        return future.result(timeout=0.2 if how == "timeout" else None)
    except TimeoutError:
        return "no answer in time"


async def shop():
    loop = asyncio.get_running_loop()
    if how == "awaited":
        return await loop.run_in_executor(pool, order, "tea", loop)
    return pool.submit(order, "tea", loop).result()


print(asyncio.run(shop()))
