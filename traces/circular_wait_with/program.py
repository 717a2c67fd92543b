"""Two tasks of two pools wait for each other; the main thread leaves the `with` block.

program.py [deadlock | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
handles = {}
both_submitted = Event()
timeout = 0.2 if how == "timeout" else None


def parse():
    both_submitted.wait()
    if how == "rearranged":
        return "a tree without names"
    return handles["resolve"].exception(timeout)


def resolve():
    both_submitted.wait()
    return [tree.result() for tree in as_completed([handles["parse"]], timeout)]


def main():
    with ThreadPoolExecutor(2, thread_name_prefix="parsers") as parsers:
        with ThreadPoolExecutor(2, thread_name_prefix="resolvers") as resolvers:
            handles["parse"] = parsers.submit(parse)
            handles["resolve"] = resolvers.submit(resolve)
            both_submitted.set()


main()
