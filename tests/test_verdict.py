"""What is said of a deadlock: its kind, members, places, moment, proof, advice and conditions."""

from __future__ import annotations

from dataclasses import replace

import pytest

import tpanalyze
from tests import snapshots
from tests.recorded import ROOT
from tests.snapshots import HEADER, QUALITY, Builder, site
from tpanalyze.findings import (
    Edge,
    Finding,
    Node,
    NodeKind,
    Party,
    Relation,
    Step,
    StepKind,
    Verdict,
)
from tpanalyze.kinds import KINDS
from tpanalyze.model import (
    Frame,
    FutureWait,
    PoolId,
    Quality,
    QualityGrade,
    Remark,
    Site,
    Snapshot,
    TaskId,
    TaskState,
    ThreadId,
)
from tpanalyze.verdict import analyse


def findings(snapshot: Snapshot, quality: Quality = QUALITY) -> tuple[Finding, ...]:
    return analyse(snapshot, HEADER, quality, "trace.jsonl").findings


def the_finding(snapshot: Snapshot, quality: Quality = QUALITY) -> Finding:
    (finding,) = findings(snapshot, quality)
    return finding


def advice(finding: Finding, slug: str) -> str:
    (found,) = (a for a in finding.advice if a.slug == slug)
    return found.text


def thread(number: int) -> Node:
    return Node(NodeKind.THREAD, number)


def task(number: int) -> Node:
    return Node(NodeKind.TASK, number)


def pool(number: int) -> Node:
    return Node(NodeKind.POOL, number)


def way(party: Party) -> list[tuple[Node, Relation, Node]]:
    return [(edge.source, edge.relation, edge.target) for edge in party.edges]


# -- pool starvation -------------------------------------------------------------------------------


def test_a_task_that_waits_for_its_own_exhausted_pool_is_a_pool_starvation() -> None:
    finding = the_finding(snapshots.starved_pool())
    assert finding.verdict is Verdict.DEADLOCK
    assert finding.kind == "pool-starvation"
    assert finding.summary == (
        "The only worker of pool ThreadPoolExecutor-0 runs task 1 (outer), which waits for task 2 "
        "(inner), which is queued in that same pool: no worker will ever be free to start it."
    )
    assert finding.pools == (1,)


def test_the_core_of_a_starvation_goes_from_the_worker_to_the_queue_and_back() -> None:
    worker, queued = the_finding(snapshots.starved_pool()).core
    assert (worker.thread, worker.task) == (2, 1)
    assert way(worker) == [(thread(2), Relation.WAITS_FOR, task(2))]
    assert (queued.thread, queued.task) == (None, 2)
    assert way(queued) == [
        (task(2), Relation.NEEDS_WORKER, pool(1)),
        (pool(1), Relation.HELD_BY, thread(2)),
    ]


def test_each_edge_stands_in_one_party_only() -> None:
    finding = the_finding(snapshots.starved_pool(4))
    edges: list[Edge] = [edge for party in finding.core for edge in party.edges]
    assert len(edges) == len({(edge.source, edge.target) for edge in edges})
    assert sum(edge.relation is Relation.HELD_BY for edge in edges) == 4


def test_the_main_thread_is_a_victim_and_the_proof_says_so() -> None:
    finding = the_finding(snapshots.starved_pool())
    (main,) = finding.victims
    assert main.thread == 1
    assert main.path == (thread(1), task(1), thread(2))
    assert way(main) == [
        (thread(1), Relation.WAITS_FOR, task(1)),
        (task(1), Relation.HELD_BY, thread(2)),
    ]
    assert finding.because[-1] == (
        "The main thread waits in Future.result (app.py:31 in main), without a timeout, for task 1 "
        "(outer), and so hangs as well."
    )


def test_the_proof_of_a_starvation_names_the_task_the_queue_and_the_pool() -> None:
    assert the_finding(snapshots.starved_pool()).because[:4] == (
        (
            "Worker ThreadPoolExecutor-0_0 runs task 1 (outer), which waits in Future.result "
            "(app.py:13 in outer), without a timeout, for task 2 (inner)."
        ),
        (
            "Task 2 (inner), submitted at app.py:12 in outer, is queued 1st in pool"
            " ThreadPoolExecutor-0 and finishes only if a worker starts it."
        ),
        "Pool ThreadPoolExecutor-0 has one worker, and it is blocked; it may not have more.",
        "So it waits for something that can happen only after its wait has ended: never.",
    )


def test_a_starvation_of_several_workers_counts_them() -> None:
    finding = the_finding(snapshots.starved_pool(4))
    assert finding.summary == (
        "All four workers of pool ThreadPoolExecutor-0 run outer and wait for calls of inner that "
        "are queued in that same pool: no worker will ever be free to start them."
    )
    assert [party.thread for party in finding.core] == [2, 3, 4, 5, None, None, None, None]


def test_the_advice_says_how_many_workers_this_run_would_have_needed() -> None:
    finding = the_finding(snapshots.starved_pool(4))
    assert "at least 5 (max_workers=5), since four were blocked at the same time;" in advice(
        finding, "more-workers"
    )


def test_several_promises_that_nobody_sets_are_them() -> None:
    b = Builder()
    pool = b.pool(2)
    for _ in range(2):
        b.wait(b.run(pool, "ask")[1], b.promise())
    b.drain(b.main, pool)
    finding = the_finding(b.snapshot())
    assert " are set on every way out of the code that owes them: " in advice(
        finding, "set-in-finally"
    )
    assert advice(finding, "set-before-the-drain").startswith("If the main thread was to set them")


def test_to_a_function_that_waits_for_itself_no_second_pool_is_advised() -> None:
    """It would starve the second pool as it has starved the first."""
    b = Builder()
    pool = b.pool(1)
    outer, worker = b.run(pool, "walk")
    b.wait(worker, b.submit(pool, "walk", by=worker))
    b.wait(b.main, outer)
    text = advice(the_finding(b.snapshot()), "second-pool")
    assert text.startswith("walk waits for calls of itself, so one more pool does not help")


def test_functions_have_a_pool_of_their_own_and_one_function_has_a_pool_of_its_own() -> None:
    b = Builder()
    pool = b.pool(2)
    workers = [b.run(pool, "outer")[1] for _ in range(2)]
    for worker, name in zip(workers, ("left", "right"), strict=True):
        b.wait(worker, b.submit(pool, name, by=worker))
    text = advice(the_finding(b.snapshot()), "second-pool")
    assert text.startswith("Submit left and right to a pool of their own")


def test_the_advice_counts_queued_tasks_that_would_block_too() -> None:
    b = Builder()
    p = b.pool(1)
    outer, worker = b.run(p, "outer")
    b.submit(p, "outer")
    b.submit(p, "outer")
    b.wait(worker, b.submit(p, "inner", by=worker))
    b.wait(b.main, outer)
    text = advice(the_finding(b.snapshot()), "more-workers")
    assert "at least 2 (max_workers=2)" in text
    assert "and 4 if the two queued tasks of the same kind wait like it" in text


def test_a_task_that_waits_at_once_for_what_it_submits_is_told_to_call_it() -> None:
    assert advice(the_finding(snapshots.starved_pool()), "call-directly") == (
        "If outer has nothing else to do meanwhile, let it call inner directly instead of "
        "submitting it at app.py:12 in outer and waiting for it at app.py:13 in outer: the worker "
        "is there anyway."
    )


def test_a_task_submitted_by_somebody_else_cannot_be_called_directly() -> None:
    b = Builder()
    p = b.pool(1)
    _, worker = b.run(p, "outer")
    b.wait(worker, b.submit(p, "inner"))
    assert not any(a.slug == "call-directly" for a in the_finding(b.snapshot()).advice)


def test_workers_that_wait_only_in_the_end_for_the_queue_starve_as_well() -> None:
    b = Builder()
    p = b.pool(2)
    first, one = b.run(p, "first")
    _, two = b.run(p, "second")
    b.wait(two, first)
    b.wait(one, b.submit(p, "inner", by=one))
    assert the_finding(b.snapshot()).summary == (
        "Two workers of pool ThreadPoolExecutor-0, all it has, wait, in the end, for tasks that "
        "are queued in that same pool: no worker will ever be free to start them."
    )


def test_two_pools_that_starve_each_other_are_one_finding() -> None:
    b = Builder()
    one, two = b.pool(1, "left"), b.pool(1, "right")
    _, a = b.run(one, "from_left")
    _, z = b.run(two, "from_right")
    b.wait(a, b.submit(two, "to_right"))
    b.wait(z, b.submit(one, "to_left"))
    finding = the_finding(b.snapshot())
    assert finding.kind == "pool-starvation"
    assert finding.summary.startswith("Pools left and right starve each other: ")
    assert "no circle" in advice(finding, "acyclic-pools")


def test_of_more_workers_for_several_pools_there_is_one_piece_of_advice() -> None:
    b = Builder()
    one, two = b.pool(1, "left"), b.pool(1, "right")
    _, a = b.run(one, "from_left")
    _, z = b.run(two, "from_right")
    b.wait(a, b.submit(two, "to_right"))
    b.wait(z, b.submit(one, "to_left"))
    b.submit(one, "from_left")
    finding = the_finding(b.snapshot())
    assert [each.slug for each in finding.advice].count("more-workers") == 1
    assert advice(finding, "more-workers") == (
        "More workers only move the limit: in this run one of the pools would have needed one more "
        "worker at least, pool left with max_workers=2 or pool right with max_workers=2, since all "
        "they had were blocked at the same time, and more if the one queued task of the same kind "
        "waits like them; with more such tasks, one more level of nesting or another order of "
        "events it hangs again."
    )


def test_no_more_workers_are_advised_for_a_pool_that_has_not_started_those_it_may_have() -> None:
    b = Builder()
    p = b.pool(8)
    outer, worker = b.run(p, "outer")
    b.wait(worker, b.submit(p, "inner", by=worker))
    b.wait(b.main, outer)
    text = advice(the_finding(b.snapshot()), "more-workers")
    assert text.startswith(
        "A higher max_workers would not have helped: pool ThreadPoolExecutor-0 may have 8, and has "
        "started one."
    )


def in_callback(name: str, *callers: tuple[str, int]) -> Site:
    """Return a place in a done-callback that the pool runs; `callers` are of the app."""
    of_pool = "/usr/lib/python3.13/concurrent/futures/_base.py"
    calls = (("Future._invoke_callbacks", 340), ("Future.set_result", 550))
    return Site(
        (
            *site(name, 30).frames,
            *(Frame(snapshots.function(n, file=of_pool, stdlib=True), at) for n, at in calls),
            *(Frame(snapshots.function(n), at) for n, at in callers),
        )
    )


def starved_in_callbacks(workers: int, at: Site) -> Finding:
    b = Builder()
    p = b.pool(workers)
    running = [b.run(p, "fetch") for _ in range(workers)]
    for task, worker in running:
        b.done(task)
        b.wait(worker, b.submit(p, "store", by=worker), at=at)
    b.drain(b.main, p)
    return the_finding(b.snapshot())


def test_a_wait_in_a_done_callback_is_told_of_the_callback() -> None:
    finding = starved_in_callbacks(1, in_callback("main.<locals>.when_fetched"))
    who = "the done-callback main.<locals>.when_fetched of task 1 (fetch)"
    assert finding.summary.startswith(
        f"The only worker of pool ThreadPoolExecutor-0 runs {who}, which waits for task 2 (store)"
    )
    assert finding.because[0].startswith(f"Worker ThreadPoolExecutor-0_0 runs {who}, which waits")
    assert "a pool calls main.<locals>.when_fetched on the worker that ran the task" in advice(
        finding, "do-not-block-in-callbacks"
    )
    assert all("fetch return" not in each.text for each in finding.advice)
    several = starved_in_callbacks(3, in_callback("when_fetched"))
    assert several.summary.startswith("All three workers of pool ThreadPoolExecutor-0 run when_fe")


def test_a_callback_that_a_task_runs_itself_is_a_part_of_the_task() -> None:
    for at in (in_callback("when_set", ("fetch", 12)), site("fetch", 12)):
        finding = starved_in_callbacks(1, at)
        assert "runs task 1 (fetch), which waits for task 2 (store)" in finding.summary
        assert advice(finding, "do-not-block").startswith("Or do not wait inside the pool: let fet")


def test_a_pool_with_room_starves_only_because_nobody_can_submit() -> None:
    b = Builder()
    p = b.pool(8)
    outer, worker = b.run(p, "outer")
    b.wait(worker, b.submit(p, "inner", by=worker))
    b.wait(b.main, outer)
    finding = the_finding(b.snapshot())
    assert finding.kind == "pool-starvation"
    assert finding.victims == ()  # main could have submitted: it belongs to the core
    assert (
        "Pool ThreadPoolExecutor-0 has one worker, and it is blocked; it may have 8, but starts "
        "one only when something is submitted, and every thread that could submit is stuck."
    ) in finding.because


def test_a_pool_that_is_shut_down_gets_no_more_workers() -> None:
    b = Builder()
    p = b.pool(8)
    _, worker = b.run(p, "outer")
    b.wait(worker, b.submit(p, "inner", by=worker))
    b.exit()
    finding = the_finding(b.snapshot())
    assert (
        "Pool ThreadPoolExecutor-0 has one worker, and it is blocked; it is shut down, so it gets "
        "no more."
    ) in finding.because
    assert finding.because[-1] == (
        "The main thread has finished its work and waits, at interpreter exit, for every worker of "
        "pool ThreadPoolExecutor-0 to end, and so hangs as well."
    )


# -- the other kinds -------------------------------------------------------------------------------


def test_two_tasks_that_wait_on_each_other_are_a_circular_wait() -> None:
    finding = the_finding(snapshots.circular_wait())
    assert finding.kind == "circular-wait"
    assert finding.summary == (
        "Task 1 (left) waits for task 2 (right), and task 2 (right) waits for task 1 (left): "
        "neither can ever finish."
    )
    one, two = finding.core
    assert way(one) == [
        (thread(2), Relation.WAITS_FOR, task(2)),
        (task(2), Relation.HELD_BY, thread(3)),
    ]
    assert way(two) == [
        (thread(3), Relation.WAITS_FOR, task(1)),
        (task(1), Relation.HELD_BY, thread(2)),
    ]


def test_main_in_the_exit_of_a_with_block_is_a_victim() -> None:
    finding = the_finding(snapshots.circular_wait())
    (main,) = finding.victims
    assert (main.thread, main.wait and main.wait.operation) == (1, "Executor.shutdown")
    assert way(main) == [(thread(1), Relation.DRAINS, thread(2))]


def test_a_longer_circle_is_told_in_the_order_of_waiting() -> None:
    b = Builder()
    p = b.pool(3)
    tasks = [b.run(p, name) for name in ("a", "b", "c")]
    for (_, worker), (awaited, _) in zip(tasks, [tasks[2], tasks[0], tasks[1]], strict=True):
        b.wait(worker, awaited)
    assert the_finding(b.snapshot()).summary == (
        "Task 1 (a) waits for task 3 (c), task 3 (c) waits for task 2 (b), and task 2 (b) waits "
        "for task 1 (a): none of them can ever finish."
    )


def test_waits_for_any_of_several_can_be_a_knot() -> None:
    b = Builder()
    p = b.pool(3)
    tasks = [b.run(p, name) for name in ("a", "b", "c")]
    for place, (_, worker) in enumerate(tasks):
        others = [other for number, (other, _) in enumerate(tasks) if number != place]
        b.wait(worker, *others, operation="wait(FIRST_COMPLETED)")
    finding = the_finding(b.snapshot())
    assert finding.kind == "circular-wait"
    assert [party.thread for party in finding.core] == [2, 3, 4]
    assert finding.summary.startswith("Task 1 (a), task 2 (b) and task 3 (c) wait for one another")


def test_a_task_that_waits_on_its_own_future_is_a_self_wait() -> None:
    finding = the_finding(snapshots.self_wait())
    assert finding.kind == "self-wait"
    assert finding.summary == (
        "Task 1 (narcissus) waits for its own result, which is there only after it has returned."
    )
    (worker,) = finding.core
    assert way(worker) == [
        (thread(2), Relation.WAITS_FOR, task(1)),
        (task(1), Relation.HELD_BY, thread(2)),
    ]
    (main,) = finding.victims
    assert main.path == (thread(1), task(1))


def test_an_exit_that_waits_for_a_promise_nobody_sets_is_an_exit_hang() -> None:
    finding = the_finding(snapshots.exit_hang())
    assert finding.kind == "exit-hang"
    assert finding.summary == (
        "The program has finished its work but cannot exit: the interpreter waits for all workers "
        "to end, and worker ThreadPoolExecutor-0_0 waits for promise 1, which no thread is left to "
        "set."
    )
    assert "made at app.py:25 in main" in advice(finding, "set-before-the-end")


def test_an_exit_behind_a_circle_of_workers_keeps_the_kind_of_the_root_cause() -> None:
    b = Builder()
    p = b.pool(2)
    left, one = b.run(p, "left")
    right, two = b.run(p, "right")
    b.wait(one, right)
    b.wait(two, left)
    b.exit()
    finding = the_finding(b.snapshot())
    assert finding.kind == "circular-wait"
    assert [party.thread for party in finding.victims] == [1]


def test_a_program_of_nothing_but_main_can_wait_for_ever_for_a_promise() -> None:
    finding = the_finding(snapshots.abandoned_promise())
    assert finding.kind == "abandoned-promise"
    assert [party.thread for party in finding.core] == [1]
    assert "No thread of the program can move any more." in finding.because


def test_a_promise_set_after_the_with_block_comes_too_late() -> None:
    b = Builder()
    p = b.pool(1)
    promise = b.promise(at=site("main", 25))
    _, worker = b.run(p, "consumer")
    b.wait(worker, promise)
    b.drain(b.main, p, at=site("main", 29))
    finding = the_finding(b.snapshot())
    assert finding.kind == "abandoned-promise"
    assert advice(finding, "set-before-the-drain") == (
        "If the main thread was to set it, let it do so before it waits for the workers at "
        "app.py:29 in main: inside the with block, not after it."
    )


def test_idle_workers_are_told_apart_from_threads_that_could_help() -> None:
    b = Builder()
    p = b.pool(2)
    b.worker(p)
    b.worker(p)
    b.wait(b.main, b.promise())
    because = the_finding(b.snapshot()).because
    assert any("two idle workers only wait for tasks" in text for text in because)


def test_a_task_that_shuts_its_own_pool_down_is_a_self_drain() -> None:
    finding = the_finding(snapshots.self_drain())
    assert finding.kind == "self-drain"
    assert finding.summary == (
        "Task 1 (boss) shuts down pool ThreadPoolExecutor-0, in which it runs, and waits for the "
        "other workers to end, but task 2 (helper) cannot end before it does."
    )
    assert any("RuntimeError" in condition for condition in finding.conditions)


def test_a_drain_of_a_pool_that_waits_for_the_one_who_drains_it_is_a_drain_cycle() -> None:
    b = Builder()
    upper, lower = b.pool(1, "upper"), b.pool(1, "lower")
    boss, one = b.run(upper, "boss")
    _, two = b.run(lower, "helper")
    b.wait(two, boss, at=site("helper", 20))
    b.drain(one, lower, at=site("boss", 15))
    finding = the_finding(b.snapshot())
    assert finding.kind == "drain-cycle"
    assert finding.summary == (
        "Task 1 (boss) waits for the workers of pool lower to end, but task 2 (helper) cannot end "
        "before it has moved on."
    )


def test_a_task_in_a_pool_without_workers_has_no_worker_left() -> None:
    b = Builder()
    p = b.pool(1)
    late = b.submit(p, "late")
    b.close(p)
    b.wait(b.main, late)
    finding = the_finding(b.snapshot())
    assert finding.kind == "no-worker-left"
    assert finding.summary == (
        "The main thread waits for task 1 (late), which never starts: pool ThreadPoolExecutor-0 "
        "has no worker left, and will have none."
    )
    assert "sys.exit()" in advice(finding, "no-exit-in-callbacks")


def test_a_pool_whose_worker_died_has_no_worker_left() -> None:
    b = Builder()
    p = b.pool(1)
    _, worker = b.run(p, "work")
    b.leave(worker)
    b.wait(b.main, b.submit(p, "next"))
    finding = the_finding(b.snapshot())
    assert finding.kind == "no-worker-left"
    assert finding.because[2] == (
        "Pool ThreadPoolExecutor-0 has no worker left: those it was allowed have died, and a pool "
        "does not replace a dead worker."
    )
    assert "sys.exit()" in advice(finding, "no-exit-in-callbacks")


def test_tasks_in_a_dead_pool_that_nobody_waits_for_are_no_deadlock() -> None:
    b = Builder()
    p = b.pool(1)
    b.submit(p, "late")
    b.close(p)
    assert findings(b.snapshot()) == ()


def test_wait_on_tasks_that_were_cancelled_at_shutdown_is_an_unheard_cancel() -> None:
    b = Builder()
    p = b.pool(1)
    b.run(p, "work")
    late = b.submit(p, "late")
    b.close(p)
    b.cancel(late)
    b.pools[p] = replace(b.pools[p], queue=())
    b.wait(b.main, late, operation="wait(ALL_COMPLETED)")
    finding = the_finding(b.snapshot())
    assert finding.kind == "unheard-cancel"
    assert finding.summary == (
        "The main thread waits for task 2 (late), which is cancelled: wait(ALL_COMPLETED) hears of "
        "that only from a worker that takes it from the queue, and none ever will."
    )


def test_two_cancelled_tasks_that_main_waits_for_are_one_finding() -> None:
    b = Builder()
    p = b.pool(1)
    both = [b.submit(p, "late"), b.submit(p, "late")]
    b.close(p)
    for late in both:
        b.cancel(late)
    b.pools[p] = replace(b.pools[p], queue=())
    b.wait(b.main, *both, operation="wait(ALL_COMPLETED)", need=2)
    assert the_finding(b.snapshot()).kind == "unheard-cancel"


# -- what is no deadlock ---------------------------------------------------------------------------


def test_a_busy_pool_is_no_deadlock() -> None:
    report = analyse(snapshots.busy(), HEADER, QUALITY, "trace.jsonl")
    assert report.verdict is Verdict.NONE
    assert report.findings == ()
    assert [edge.relation for edge in report.edges].count(Relation.WAITS_FOR) == 2


@pytest.mark.parametrize("make", [snapshots.starved_pool, snapshots.circular_wait])
def test_the_classics_with_a_timeout_are_no_deadlock(make: object) -> None:
    assert callable(make)
    snapshot = make()
    timed = {
        number: replace(known, wait=replace(known.wait, timeout_ns=10**9))
        if known.wait is not None and known.pool is not None
        else known
        for number, known in snapshot.threads.items()
    }
    found = findings(replace(snapshot, threads=timed))
    assert Verdict.DEADLOCK not in {finding.verdict for finding in found}


def test_one_more_worker_is_enough_for_a_starved_pool() -> None:
    snapshot = snapshots.starved_pool()
    roomy = replace(snapshot.pools[PoolId(1)], starting=1, max_workers=2)
    assert findings(replace(snapshot, pools={roomy.id: roomy})) == ()


# -- several findings ------------------------------------------------------------------------------


def two_deadlocks() -> Snapshot:
    b = Builder()
    p = b.pool(9)
    small, one = b.run(p, "small")
    large, two = b.run(p, "large")
    b.wait(one, small)
    b.wait(two, large)
    b.wait(b.main, large)
    return b.snapshot()


def test_the_finding_with_most_victims_comes_first() -> None:
    first, second = findings(two_deadlocks())
    assert [party.thread for party in first.core] == [3]
    assert [party.thread for party in second.core] == [2]


def test_every_stuck_thread_is_told_of_once() -> None:
    told = [p.thread for f in findings(two_deadlocks()) for p in (*f.core, *f.victims)]
    assert sorted(number for number in told if number is not None) == [1, 2, 3]


def test_tasks_stuck_in_the_queue_are_victims_after_the_threads() -> None:
    b = Builder()
    p = b.pool(1)
    outer, worker = b.run(p, "outer")
    b.wait(worker, b.submit(p, "inner", by=worker))
    behind = b.submit(p, "behind")
    b.wait(b.main, outer)
    victims = the_finding(b.snapshot()).victims
    assert [(party.thread, party.task) for party in victims] == [(1, None), (None, behind)]
    assert victims[1].path == (task(behind), pool(1))


# -- since when, on what terms, and the same again -------------------------------------------------


def test_a_deadlock_is_certain_from_the_last_wait_of_its_core() -> None:
    snapshot = snapshots.circular_wait()
    last = max(t.since_ns for t in snapshot.threads.values() if t.pool is not None)
    finding = the_finding(snapshot)
    assert finding.certain_since_ns == last
    assert finding.certain_by == Step(
        StepKind.WAIT, ThreadId(3), TaskId(2), "task 2 (right) began to wait"
    )


def test_two_waits_in_one_tick_leave_open_which_of_them_made_it_certain() -> None:
    snapshot = snapshots.circular_wait()
    one, two = (snapshot.threads[ThreadId(n)] for n in (2, 3))
    assert isinstance(one.wait, FutureWait) and isinstance(two.wait, FutureWait)
    at_once = replace(one, wait=replace(one.wait, since_ns=two.wait.since_ns))
    finding = the_finding(replace(snapshot, threads={**snapshot.threads, one.id: at_once}))
    assert (finding.certain_since_ns, finding.certain_by) == (two.wait.since_ns, None)


@pytest.mark.parametrize("sample", ["default_executor", "anyio_limit"])
def test_a_task_that_is_submitted_where_no_worker_will_be_free_makes_it_certain(
    sample: str,
) -> None:
    (finding,) = tpanalyze.analyze(ROOT / "traces" / sample / "trace.jsonl").findings
    step = finding.certain_by
    assert step is not None and step.kind is StepKind.SUBMIT
    (submitted,) = (p for p in finding.core if p.task == step.task and p.thread is None)
    assert submitted.since_ns == finding.certain_since_ns


def test_a_deadlock_of_everything_is_certain_only_when_the_last_thread_has_ended() -> None:
    b = Builder()
    helper = b.thread("helper")
    b.wait(b.main, b.promise())
    b.end(helper)
    finding = the_finding(b.snapshot())
    assert finding.certain_since_ns == b.now_ns
    assert finding.certain_by == Step(StepKind.END, helper, None, "thread helper ended")


def test_a_pool_that_lost_its_last_other_worker_is_dead_from_then_on() -> None:
    b = Builder()
    p = b.pool(2)
    outer, worker = b.run(p, "outer")
    other = b.worker(p)
    b.close(p)
    b.wait(worker, b.submit(p, "inner", by=worker))
    b.wait(b.main, outer)
    b.leave(other)
    assert the_finding(b.snapshot()).certain_since_ns >= b.now_ns


def test_a_partial_deadlock_takes_for_granted_what_others_could_break() -> None:
    b = Builder()
    p = b.pool(1)
    _, worker = b.run(p, "outer")
    b.wait(worker, b.submit(p, "inner", by=worker))
    assert the_finding(b.snapshot()).conditions == (
        "Nobody cancels task 2 (inner) in the queue.",
        "Nobody changes the size of pool ThreadPoolExecutor-0 from outside.",
    )


def test_a_deadlock_of_everything_takes_nothing_for_granted() -> None:
    assert the_finding(snapshots.starved_pool()).conditions == ()


def test_only_its_own_thread_is_taken_to_resolve_a_task() -> None:
    b = Builder()
    narcissus, worker = b.run(b.pool(2), "narcissus")
    b.wait(worker, narcissus)
    assert the_finding(b.snapshot()).conditions == (
        "Nobody but its own thread sets the result of task 1 (narcissus).",
    )


def test_a_finding_from_a_trace_with_losses_says_that_it_leans_on_them() -> None:
    lossy = Quality(100, None, dropped=3)
    (condition,) = the_finding(snapshots.starved_pool(), lossy).conditions
    assert condition == (
        "None of the events that the trace has lost (3 at least) ended one of these waits or freed "
        "a worker."
    )
    gap = Quality(100, None, remarks=(Remark(QualityGrade.LOSS, "gap", "a line is missing"),))
    assert len(the_finding(snapshots.starved_pool(), gap).conditions) == 1


def test_the_same_deadlock_in_another_run_has_the_same_signature() -> None:
    one, many = the_finding(snapshots.starved_pool()), the_finding(snapshots.starved_pool(3))
    assert one.signature == many.signature
    assert one.signature.startswith("pool-starvation-")


def test_the_signature_forgets_line_numbers_and_directories() -> None:
    def narcissus(file: str, line: int) -> str:
        b = Builder()
        own, worker = b.run(b.pool(1), "narcissus")
        b.wait(worker, own, at=site("narcissus", line, file=file))
        return the_finding(b.snapshot()).signature

    assert narcissus("/a/app.py", 9) == narcissus(r"C:\b\app.py", 12)
    assert narcissus("/a/app.py", 9) != narcissus("/a/other.py", 9)


def test_different_deadlocks_have_different_signatures() -> None:
    made = [
        snapshots.starved_pool(),
        snapshots.circular_wait(),
        snapshots.self_wait(),
        snapshots.exit_hang(),
        snapshots.abandoned_promise(),
        snapshots.self_drain(),
    ]
    assert len({the_finding(snapshot).signature for snapshot in made}) == len(made)


# -- every kind ------------------------------------------------------------------------------------


def test_kinds_have_slugs_of_their_own() -> None:
    slugs = [kind.slug for kind in KINDS]
    assert len(set(slugs)) == len(slugs)


@pytest.mark.parametrize(
    "snapshot",
    [
        snapshots.starved_pool(),
        snapshots.starved_pool(3),
        snapshots.circular_wait(),
        snapshots.self_wait(),
        snapshots.exit_hang(),
        snapshots.abandoned_promise(),
        snapshots.self_drain(),
    ],
)
def test_every_text_is_a_sentence(snapshot: Snapshot) -> None:
    finding = the_finding(snapshot)
    texts = [finding.summary, *finding.because, *finding.conditions]
    texts += [found.text for found in finding.advice]
    for text in texts:
        assert text[0].isupper(), text
        assert text.endswith("."), text
        assert "  " not in text, text
        assert " ," not in text, text


def test_names_that_are_not_known_are_left_out() -> None:
    b = Builder()
    own, worker = b.run(b.pool(1), "narcissus")
    b.wait(worker, own)
    b.tasks[own] = replace(b.tasks[own], function=None, submit_site=None)
    wait = b.threads[worker].wait
    assert wait is not None
    b.threads[worker] = replace(b.threads[worker], wait=replace(wait, site=None))
    finding = the_finding(b.snapshot())
    assert finding.summary.startswith("Task 1 waits for its own result")
    assert not any("None" in text for text in finding.because)
    assert not any("None" in found.text for found in finding.advice)


def test_a_cancelled_task_that_result_waits_for_is_no_deadlock() -> None:
    b = Builder()
    p = b.pool(1)
    b.run(p, "work")
    late = b.submit(p, "late")
    b.cancel(late)
    assert b.tasks[late].state is TaskState.CANCELLED
    b.wait(b.main, late)
    assert findings(b.snapshot()) == ()
