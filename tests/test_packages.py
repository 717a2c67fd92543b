"""Real packages with executors and futures of their own, recorded.

They are not needed to develop: ``pip install asgiref joblib langchain-core s3transfer``, and these
run.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import at_rest
from tests.recorded import hanging, record_source, until
from tpanalyze import analyze
from tpanalyze.findings import Report, Verdict


def needs(package: str, distribution: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        find_spec(package) is None, reason=f"{distribution} is not here: pip install {distribution}"
    )


def hang(tmp_path: Path, source: str) -> Report:
    (tmp_path / "app.py").write_text(source)
    return at_rest.hang(tmp_path, "app.py")


LANGCHAIN = """
from langchain_core.runnables.config import ContextThreadPoolExecutor
def page():
    return "a page"
def book():
    return {inner}
with ContextThreadPoolExecutor(1) as pool:
    print(pool.submit(book).result(), list(pool.map(str, [1, 2])))
"""


@needs("langchain_core", "langchain-core")
def test_a_task_of_langchain_s_executor_has_the_function_that_was_meant(tmp_path: Path) -> None:
    run = record_source(tmp_path, LANGCHAIN.format(inner="page()"))
    trace = run.trace
    assert trace.function(trace.of("submit")[0]) == "book"
    assert trace.definitions["pool"][1]["kind"] == "ContextThreadPoolExecutor"
    report = analyze(run.trace_path)
    assert report.verdict is Verdict.NONE and report.quality.complete


@needs("langchain_core", "langchain-core")
def test_langchain_s_executor_starves_like_its_base(tmp_path: Path) -> None:
    report = hang(tmp_path, LANGCHAIN.format(inner="pool.submit(page).result()"))
    (finding,) = report.findings
    assert finding.kind == "pool-starvation"
    assert "task 1 (book), which waits for task 2 (page)" in finding.summary


S3TRANSFER = """
from s3transfer.futures import BoundedExecutor
class Job:
    transfer_id = 1
    def __init__(self, fn): self.fn = fn
    def __call__(self, context): return self.fn()
def page():
    return "a page"
def book():
    return {inner}
pool = BoundedExecutor(max_size=10, max_num_threads=1)
print(pool.submit(Job(book)).result())
"""


@needs("s3transfer", "s3transfer")
def test_s3transfer_s_bounded_executor_is_its_pool(tmp_path: Path) -> None:
    run = record_source(tmp_path, S3TRANSFER.format(inner="page()"))
    assert [run.trace.function(e) for e in run.trace.of("submit")] == ["Job.__call__"]
    report = analyze(run.trace_path)
    assert report.verdict is Verdict.NONE and report.quality.complete


@needs("s3transfer", "s3transfer")
def test_s3transfer_s_bounded_executor_starves(tmp_path: Path) -> None:
    report = hang(tmp_path, S3TRANSFER.format(inner="pool.submit(Job(page)).result()"))
    (finding,) = report.findings
    assert finding.kind == "pool-starvation"
    assert "for task 2 (Job.__call__), which is queued" in finding.summary


JOBLIB = """
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend
from threading import Barrier
def page(number):
    return number
def book(number):
    return {inner}
both = Barrier(2)
with Parallel(n_jobs=2, backend="threading") as parallel:
    print(parallel(delayed(book)(number) for number in range(2)))
"""


@needs("joblib", "joblib")
def test_joblib_s_threads_run_tasks_of_their_pool(tmp_path: Path) -> None:
    run = record_source(tmp_path, JOBLIB.format(inner="page(number)"))
    trace = run.trace
    submits = trace.of("submit")
    passed, finished = ([e["task"] for e in trace.of(name)] for name in ("pass", "finish"))
    assert sorted(passed) == sorted(finished)  # another worker may be quicker at the queue
    assert len(submits) == len(trace.of("finish")) > 0
    report = analyze(run.trace_path)
    assert report.verdict is Verdict.NONE and report.quality.complete, report.quality.remarks


@needs("joblib", "joblib")
def test_joblib_s_threads_that_ask_their_own_pool_starve_it(tmp_path: Path) -> None:
    inner = "(both.wait(), parallel._backend._pool.apply(page, (number,)))"
    (tmp_path / "app.py").write_text(JOBLIB.format(inner=inner))

    def is_dead() -> bool:
        return path.exists() and path.stat().st_size > 0 and at_rest.is_deadlock(analyze(path))

    with hanging(tmp_path, "app.py") as (_, path):
        until(is_dead, "proved")  # it is never at rest: joblib looks again and again
        report = analyze(path)
    (finding,) = report.findings
    assert finding.kind == "pool-starvation"
    operations = [p.wait.operation for p in finding.core if p.wait is not None]
    assert operations == ["Pool.apply", "Pool.apply"]


ASGIREF = """
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from asgiref.current_thread_executor import CurrentThreadExecutor
def ask():
    return executor.submit(str, 1).result()
executor = CurrentThreadExecutor(None)
pool = ThreadPoolExecutor(1)
task = pool.submit(ask)
{wait}
print(task.result())
"""


@needs("asgiref", "asgiref")
def test_asgiref_s_executor_makes_promises_that_its_thread_sets(tmp_path: Path) -> None:
    run = record_source(tmp_path, ASGIREF.format(wait="executor.run_until_future(task)"))
    trace = run.trace
    (promise,) = trace.of("promise")
    (finish,) = [e for e in trace.of("finish") if e["task"] == promise["task"]]
    assert trace.definitions["thread"][finish["thread"]].get("main")
    assert trace.lines(promise)[0][0] == "CurrentThreadExecutor.submit"
    report = analyze(run.trace_path)
    assert report.verdict is Verdict.NONE and report.quality.complete


@needs("asgiref", "asgiref")
def test_asgiref_s_executor_whose_thread_waits_elsewhere_hangs_as_proved(tmp_path: Path) -> None:
    report = hang(tmp_path, ASGIREF.format(wait=""))
    (finding,) = report.findings
    assert finding.kind == "abandoned-promise"
    functions = [report.snapshot.tasks[p.task].function for p in finding.core if p.task]
    assert [function.name for function in functions if function] == ["ask"]
