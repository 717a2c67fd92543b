"""The initializer of a worker waits for a task of the pool the worker is to serve.

The worker takes its first task only after the initializer has returned.

program.py [deadlock | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import local

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
mine = local()


def load_settings():
    return {"unit": "m"}


def prepare():
    try:
        if how == "rearranged":
            mine.settings = load_settings()
        else:
            loaded = pool.submit(load_settings)
            mine.settings = loaded.result(timeout=0.2 if how == "timeout" else None)
    except TimeoutError:
        mine.settings = {}


def measure():
    return f"3 {mine.settings.get('unit', '')}"


pool = ThreadPoolExecutor(1, thread_name_prefix="lab", initializer=prepare)
print(pool.submit(measure).result())
