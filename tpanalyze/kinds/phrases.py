"""Sentences that several kinds of deadlock say."""

from __future__ import annotations

from collections import defaultdict

from tpanalyze.describe import (
    INTERPRETER_EXIT,
    at,
    counted,
    did,
    listing,
    lock,
    number,
    place,
    thing,
)
from tpanalyze.findings import Advice
from tpanalyze.kinds.case import Case
from tpanalyze.model import (
    LockWait,
    ObjectWait,
    Pool,
    PoolRole,
    Task,
    TaskState,
    Thread,
    ThreadState,
)
from tpanalyze.rules.ask import is_kept_by_its_owner

_FOLD = 3
"""so many threads that do the same are told one by one, the rest in a count"""


def sentence(text: str) -> str:
    """Return the text as a sentence: a capital at its beginning, a full stop at its end.

    >>> sentence("the main thread waits")
    'The main thread waits.'
    """
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def member(case: Case, thread: Thread) -> str:
    """Return what a blocked thread is known by: its task, or else itself."""
    return case.words.task_of(thread.id) or case.words.thread(thread.id)


def who(case: Case, thread: Thread) -> str:
    """Return :func:`member` as the beginning of a sentence."""
    name = member(case, thread)
    return name[:1].upper() + name[1:]


def proof(case: Case) -> tuple[str, ...]:
    """Return why nothing in the core can move, a sentence for each member, and the conclusion."""
    told: list[str] = []
    told += _threads(case)
    told += _queued(case)
    told += _running(case)
    told += [_pool(case, pool) for pool in case.pools]
    told += _promises(case)
    told += _objects(case)
    told += _locks(case)
    if case.anybody:
        told.append(_nobody(case))
    told.append(_conclusion(case))
    return tuple(sentence(text) for text in told)


def stuck(case: Case, thread: Thread) -> str:
    """Return what the thread does: ``worker p_0 runs task 1 (outer), which waits in …``."""
    words, wait = case.words, thread.wait
    task = words.task_of(thread.id)
    who = words.thread(thread.id) + (f" runs {task}, which" if task else "")
    if wait is None:
        return f"{who} is stuck"
    if wait.operation == INTERPRETER_EXIT:
        return f"{who} has finished its work and waits, at interpreter exit, for {words.wait(wait)}"
    site = f" ({where})" if (where := place(wait.site)) else ""
    return f"{who} waits in {wait.operation}{site}, without a timeout, for {words.wait(wait)}"


def _threads(case: Case) -> list[str]:
    """Return a sentence for each blocked thread; of many that do the same, for the first ones."""
    groups: defaultdict[tuple[str, ...], list[Thread]] = defaultdict(list)
    for thread in case.threads:
        groups[_likeness(case, thread)].append(thread)
    told = []
    for group in groups.values():
        shown = group if len(group) <= _FOLD + 1 else group[:_FOLD]
        told += [stuck(case, thread) for thread in shown]
        if len(group) > len(shown):
            told.append(f"{number(len(group) - len(shown))} more threads do the same")
    return told


def _likeness(case: Case, thread: Thread) -> tuple[str, ...]:
    """Return what threads have in common that do the same at the same place."""
    function = case.words.task_function(thread)
    if thread.wait is None:
        return str(thread.pool), function
    return str(thread.pool), function, thread.wait.operation, place(thread.wait.site)


def _queued(case: Case) -> list[str]:
    told = []
    for task in case.queued[: _FOLD if len(case.queued) > _FOLD + 1 else None]:
        words = case.words
        name = f"{words.task(task.id)}, submitted{at(task.submit_site)},"
        if task.state is TaskState.CANCELLED:
            told.append(
                f"{name} is cancelled, but wait() and as_completed() hear of it only from a worker "
                "that takes it from the queue"
            )
        else:
            told.append(
                f"{name} is {words.whereabouts(task)} and finishes only if a worker starts it"
            )
    if len(case.queued) > len(told):
        told.append(f"{number(len(case.queued) - len(told))} more tasks are queued like it")
    return told


def _running(case: Case) -> list[str]:
    """Return a sentence for each task whose result waits to be handed out."""
    told = []
    for task in case.running[:_FOLD]:
        pool = None if task.pool is None else case.snapshot.pools.get(task.pool)
        if task.passed and pool is not None and pool.results is not None:
            name = f"{case.words.task(task.id)}, submitted{at(task.submit_site)},"
            told.append(
                f"{name} has been run, and its result is handed out only by "
                f"{case.words.pool(pool.results)}"
            )
    return told


def _promises(case: Case) -> list[str]:
    """Return a sentence for each promise; of many that are alike, for the first ones."""
    told, more = [], 0
    for index, task in enumerate(case.promises):
        if index >= _FOLD and len(case.promises) > _FOLD + 1:
            more += 1
            continue
        name = f"{case.words.task(task.id)}, made{at(task.submit_site)},"
        if task.awaits:
            awaited = case.words.some_of(task.awaits)
            told.append(
                f"{name} is set by its event loop when its coroutine ends, and that gets on only "
                f"when {awaited} is done"
            )
        elif task.loop is not None:
            told.append(f"{name} can be set only by {case.words.pool(task.loop)}")
        else:
            told.append(f"{name} can be set only by a thread that still moves")
    if more:
        told.append(f"the same goes for {number(more)} more promises")
    return told


def _loop(case: Case, pool: Pool) -> str:
    name = case.words.pool(pool.id)
    if pool.workers:
        return f"{name} runs its callbacks on that thread alone, and the thread is blocked"
    if pool.closed:
        return f"{name} is closed, and will never run again"
    return f"{name} is run by no thread, and no thread is left to run it"


def _handler(case: Case, pool: Pool) -> str:
    name = case.words.pool(pool.id)
    if pool.workers:
        return f"{name} is blocked, and no other does what it does"
    if pool.lost:
        return f"{name} is not in this process: the fork that made it has left it in the parent"
    return f"{name} has ended, and no other does what it did"


def _pool(case: Case, pool: Pool) -> str:
    if pool.role is PoolRole.LOOP:
        return _loop(case, pool)
    if pool.role is PoolRole.HANDLER:
        return _handler(case, pool)
    name, live = case.words.pool(pool.id), len(pool.workers)
    if pool.role is PoolRole.LIMITER:
        lent = "it is lent to a call that is blocked"
        if live != 1:
            lent = "all of them are lent to calls that are blocked"
        return f"{name} has {counted(live, 'token')}, and {lent}"
    if not live:
        if pool.closed:
            return f"{name} has no worker left, and gets no more, since it is shut down"
        if pool.broken:
            return f"{name} has no worker left, and gets no more, since an initializer has failed"
        if pool.lost:
            return (
                f"{name} has no worker in this process: the fork that made it has left "
                f"{counted(pool.lost, 'worker')} behind in the parent, and the pool counts "
                f"{'it as its' if pool.lost == 1 else 'them as its'} own"
            )
        return (
            f"{name} has no worker left: those it was allowed have died, and a pool does not "
            "replace a dead worker"
        )
    occupied = f"{name} has {counted(live, 'worker')}"
    occupied += ", and it is blocked" if live == 1 else ", and all of them are blocked"
    if pool.max_workers is not None and live >= pool.max_workers:
        return f"{occupied}; it may not have more"
    if pool.closed:
        return f"{occupied}; it is shut down, so it gets no more"
    if pool.broken:
        return f"{occupied}; an initializer has failed, so it gets no more"
    return (
        f"{occupied}; it may have {pool.max_workers}, but starts one only when something is "
        "submitted, and every thread that could submit is stuck"
    )


def _objects(case: Case) -> list[str]:
    """Return a sentence for each object: who could end the wait on it, and who did so before."""
    told = {}
    for _, wait in case.blocks:
        name = thing(wait.object)
        if wait.operation == "Barrier.wait":
            arrived = counted(wait.waiting, "thread")
            of = "" if wait.object.parties is None else f" of the {wait.object.parties} it needs"
            verb = "is" if wait.waiting == 1 else "are"
            told[name] = (
                f"{arrived}{of} {verb} at {name}; it opens only if others come, that is, by "
                "threads that still move"
            )
            continue
        told[name] = f"{name} can be {_passive(wait)} only by a thread that still moves"
        if wait.woken_by:
            told[name] += f"; before, {wakers(case, wait)} did that"
    return list(told.values())


def _locks(case: Case) -> list[str]:
    """Return a sentence for each lock: who has it since where, and who could release it."""
    told = {}
    for _, wait in case.locks:
        name, taken = lock(wait), case.words.taken(wait)
        if is_kept_by_its_owner(case.snapshot, wait):
            until = "nobody else can release it"
            if not wait.reentrant:
                until = "it is released at the end of that with block"
            told[name] = f"{name} is held by {taken}; {until}"
        elif taken:
            told[name] = f"{name} is held by {taken}; any thread may release it, but none can move"
    return list(told.values())


def needed(case: Case) -> list[tuple[Thread, ObjectWait]]:
    """Return the threads that block on objects and that others need: for a result, or their end.

    Where none is needed, all that block.
    """
    found = [
        (thread, wait)
        for thread, wait in case.blocks
        if case.must_end(thread.id) or thread.task is not None
    ]
    return found or list(case.blocks)


def _passive(wait: ObjectWait) -> str:
    word = did(wait)
    return {"put into": "filled", "took from": "emptied"}.get(word, word)


def wakers(case: Case, wait: ObjectWait) -> str:
    """Return who woke others on the object, and what they do now."""
    told = []
    for number_ in wait.woken_by:
        thread = case.snapshot.threads.get(number_)
        ended = thread is not None and thread.state is ThreadState.ENDED
        told.append(case.words.thread(number_) + (" (which has ended)" if ended else ""))
    return listing(told)


def _nobody(case: Case) -> str:
    idle = [
        thread.id
        for thread in case.snapshot.threads.values()
        if thread.state.value == "idle" and not case.holds(thread.id)
    ]
    rest = ""
    if idle:
        rest = f"; {listing([case.words.thread(t) for t in idle])} only waits for tasks"
        if len(idle) > 1:
            rest = f"; {counted(len(idle), 'idle worker')} only wait for tasks"
    return f"no thread of the program can move any more{rest}"


def _conclusion(case: Case) -> str:
    if len(case.threads) == 1:
        return "so it waits for something that can happen only after its wait has ended: never"
    return "so each of them can move only after another of them has moved: none ever will"


def wait_places(case: Case) -> str:
    """Return the distinct places where threads of the core wait for futures, as an enumeration."""
    places = dict.fromkeys(place(wait.site) for _, wait in case.waits)
    return listing([where for where in places if where])


def submit_places(tasks: tuple[Task, ...]) -> str:
    """Return the distinct places where the tasks were submitted, as an enumeration."""
    return listing([p for p in dict.fromkeys(place(task.submit_site) for task in tasks) if p])


def functions(case: Case, tasks: tuple[Task, ...]) -> str:
    """Return the distinct names of the functions the tasks call, as an enumeration."""
    return listing(list(dict.fromkeys(case.words.function_of(task.id) for task in tasks)))


def runners(case: Case, threads: tuple[Thread, ...]) -> str:
    """Return the distinct names of the functions the threads are in, as an enumeration."""
    names = dict.fromkeys(case.words.task_function(thread) for thread in threads)
    return listing([name for name in names if name])


def with_timeout(case: Case) -> tuple[Advice, ...]:
    """Return the last resort, a wait that ends by itself; nothing where no wait can have one."""
    if not case.waits:
        return ()
    where = wait_places(case)
    returns = all(wait.operation.startswith("wait(") for _, wait in case.waits)
    instead = "returns with the rest in not_done" if returns else "raises a TimeoutError"
    return (
        Advice(
            "timeout",
            "As a last resort, wait with a timeout"
            + (f" at {where}" if where else "")
            + f": the call then {instead} instead of hanging. It cures nothing.",
        ),
    )


def acquire_with_timeout(wait: LockWait) -> Advice:
    """Return the last resort for a lock."""
    return Advice(
        "lock-timeout",
        f"As a last resort, take it with acquire(timeout=...){at(wait.site)}, and give up what is "
        "held when the answer is False. It cures nothing.",
    )
