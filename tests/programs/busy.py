"""Busy with pools, and writes down what it does, for the harness that kills it.

``busy.py LOG SEED ROUNDS [hang]``: LOG gets lines ``NANOSECONDS WHAT POOL COUNT``, each by one
system call.  ``s``: so many submits to the pool have returned; ``f``: so many of its futures are
done; ``>``: a submit to it is about to be made.  ``go``: work begins; ``hang``: all that is left
to do is to block for ever, and COUNT is the native id of a thread that does; ``bye``: the last line
of the program.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from threading import Event, Lock, Thread, get_native_id
from time import perf_counter_ns, sleep

LOG = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
SEED, ROUNDS = int(sys.argv[2]), int(sys.argv[3])
HANGS = sys.argv[4:] == ["hang"]
RANDOM = random.Random(SEED)

counted = {"s": Counter[str](), "f": Counter[str]()}
counting = Lock()


def say(what: str, pool: str = "-", count: int = 0) -> None:
    os.write(LOG, f"{perf_counter_ns()} {what} {pool} {count}\n".encode())


def count(what: str, pool: str) -> None:
    with counting:
        counted[what][pool] += 1
        say(what, pool, counted[what][pool])


def submit[T, *Ts](
    pool: ThreadPoolExecutor, function: Callable[[*Ts], T], *arguments: *Ts
) -> Future[T]:
    name = str(pool._thread_name_prefix)
    say(">", name)
    future = pool.submit(function, *arguments)
    count("s", name)
    future.add_done_callback(lambda _: count("f", name))
    return future


def leaf(number: int) -> int:
    if number % 7 == 0:
        sleep(0.001)
    if number % 11 == 0:
        raise ValueError(number)
    return number


def branch(pool: ThreadPoolExecutor, width: int) -> int:
    futures = [submit(pool, leaf, n) for n in range(width)]
    return sum(1 for future in futures if future.exception() is None)


def rounds(name: str, seed: int, number: int) -> None:
    chance = random.Random(seed)
    with ThreadPoolExecutor(2, f"{name}-inner") as inner, ThreadPoolExecutor(3, name) as pool:
        for _ in range(number):
            futures = [submit(pool, branch, inner, chance.randrange(1, 6)) for _ in range(4)]
            way = chance.randrange(4)
            if way == 0:
                wait(futures)
            elif way == 1:
                wait(futures, return_when=FIRST_COMPLETED)
            elif way == 2:
                for future in as_completed(futures):
                    future.result()
            else:
                promise: Future[int] = Future()
                submit(pool, promise.set_result, 1)
                promise.result()
                futures[-1].cancel()
            if chance.random() < 0.2:
                sleep(0.004)
            elif chance.random() < 0.1:  # a burst that nobody waits for, then silence
                for nth in range(100):
                    submit(pool, leaf, nth)
                sleep(0.08)


def starve(pool: ThreadPoolExecutor, asked: Event) -> object:
    inner = pool.submit(leaf, 1)
    say("hang", count=get_native_id())
    asked.set()
    return inner.result()


def main() -> None:
    say("go")
    threads = [Thread(target=rounds, args=(f"p{n}", SEED + n, ROUNDS)) for n in range(2)]
    for thread in threads:
        thread.start()
    if HANGS:
        if RANDOM.random() < 0.5:  # all of it hangs, else the others work on
            for thread in threads:
                thread.join()
        else:
            sleep(RANDOM.random() / 20)
        how = RANDOM.randrange(3)
        if how == 0:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(starve, pool, Event()).result()
        elif how == 1:
            for thread in threads:  # they could not submit any more when the interpreter ends
                thread.join()
            pool, asked = ThreadPoolExecutor(1), Event()
            pool.submit(starve, pool, asked)
            asked.wait()
            return
        else:
            circle()
    for thread in threads:
        thread.join()
    say("bye")


def circle() -> None:
    futures: dict[str, Future[object]] = {}
    both = Event()
    met: list[int] = []

    def waits_for(other: str) -> object:
        both.wait()
        with counting:
            met.append(get_native_id())
            if len(met) == 2:
                for thread in met:
                    say("hang", count=thread)
        return futures[other].result()

    with ThreadPoolExecutor(2) as pool:
        futures["a"] = pool.submit(waits_for, "b")
        futures["b"] = pool.submit(waits_for, "a")
        both.set()


main()
