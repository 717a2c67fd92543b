"""A task has the lock of a cache while it waits for a task that wants to write into that cache.

option: --locks

program.py [deadlock | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
limit = 0.2 if how == "timeout" else -1
cache = {}
cache_lock = Lock()


def load(key):
    value = key.upper()
    if cache_lock.acquire(timeout=limit):
        cache[key] = value
        cache_lock.release()
    return value


def look_up(key):
    with cache_lock:
        if key in cache:
            return cache[key]
        loading = loaders.submit(load, key)
        if how != "rearranged":
            return loading.result()
    return loading.result()


with ThreadPoolExecutor(2, thread_name_prefix="loaders") as loaders:
    with ThreadPoolExecutor(2, thread_name_prefix="requests") as requests:
        print(requests.submit(look_up, "tea").result())
