"""Every worker of a pool runs a task that waits for another task of the same pool.

Three reports are made at once by three workers, and each of them wants its figures from the same
three workers.  The main thread leaves the `with` block, and so waits for the workers to end.

program.py [deadlock | enough-workers | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Barrier

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
REPORTS = 3
all_begun = Barrier(REPORTS)
all_submitted = Barrier(REPORTS + 1)


def figure(name, month):
    return f"{name} in month {month}"


def report(pool, name):
    all_begun.wait()
    figures = [pool.submit(figure, name, month) for month in (1, 2)]
    all_submitted.wait()
    wait(figures, timeout=0.2 if how == "timeout" else None)
    return [f.result() for f in figures if f.done()]


def main():
    most = REPORTS + 1 if how == "enough-workers" else REPORTS
    with ThreadPoolExecutor(most, thread_name_prefix="reports") as reports:
        with ThreadPoolExecutor(1, thread_name_prefix="figures") as figures:
            pool = figures if how == "rearranged" else reports
            for name in ("sales", "costs", "staff"):
                reports.submit(report, pool, name)
            all_submitted.wait()


main()
