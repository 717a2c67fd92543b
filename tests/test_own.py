"""What belongs to the app is looked at without running any of its code."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Never

from tests.recorded import record_source
from tests.test_transparent import both
from tprecord import own


class Touchy(type):
    def __getattribute__(cls, name: str) -> Never:
        raise AssertionError(f"the class was asked for {name}")


class Thing(metaclass=Touchy):
    __slots__ = ("__dict__",)

    def __getattribute__(self, name: str) -> Never:
        raise AssertionError(f"asked for {name}")


def test_a_thing_s_own_variables_are_read_past_all_of_its_code() -> None:
    thing = Thing()
    object.__setattr__(thing, "_state", "PENDING")
    assert own.attribute(thing, "_state") == "PENDING"
    assert own.attribute(thing, "nothing") is None
    assert own.is_a(thing, object) and not own.is_a(thing, int)
    assert own.class_name(type(thing)) == "Thing"
    assert own.class_module(type(thing)) == __name__
    assert own.name_of(thing) == ""


def test_what_has_no_variables_has_none() -> None:
    for thing in (1, "text", object(), partial, threading.Lock()):
        assert own.attribute(thing, "name") is None
    module = ModuleType("mine")
    assert own.attribute(module, "__name__") == "mine"


def test_functions_and_methods_have_names_and_nothing_else_has() -> None:
    assert own.name_of(record_source) == "record_source"
    assert own.name_of([].append) == own.name_of(list.append) == "append"
    assert own.name_of(ThreadPoolExecutor.submit) == "submit"
    with ThreadPoolExecutor(1) as pool:
        assert own.name_of(pool.submit) == "submit"
    named: Any = partial(int)
    named.__name__ = "run"
    assert own.name_of(named) == ""


APP = """
import importlib.util, sys, threading
from concurrent.futures import ThreadPoolExecutor, Future, wait
asked = []
class Touchy(type):
    def __getattribute__(cls, name):
        asked.append(("class", name))
        return super().__getattribute__(name)
class Thing(metaclass=Touchy):
    def __getattr__(self, name):
        asked.append(("thing", name))
        raise AttributeError(name)
    @property
    def __class__(self):
        asked.append(("thing", "__class__"))
        return Thing
    def __call__(self, *_): return 7
class Pool(ThreadPoolExecutor):
    def __getattr__(self, name):
        asked.append(("pool", name))
        raise AttributeError(name)
    @property
    def _parties(self): asked.append(("pool", "_parties"))
class Mine(threading.Thread):
    def __getattr__(self, name):
        asked.append(("thread", name))
        raise AttributeError(name)
class Gate(threading.Barrier):
    @property
    def _parties(self):
        asked.append(("barrier", "_parties"))
        return vars(self)["_parties"]
    @_parties.setter
    def _parties(self, value): vars(self)["_parties"] = value
class Flag(threading.Event):
    def __getattr__(self, name):
        asked.append(("event", name))
        raise AttributeError(name)
class Seconds(float):
    def __le__(self, other):
        asked.append(("timeout", "<="))
        return float(self) <= other
    def __mul__(self, other):
        asked.append(("timeout", "*"))
        return float(self) * other

thing = Thing()
with Pool(2) as pool:
    del asked[:]
    futures = [pool.submit(thing), pool.submit(Thing), pool.submit(thing, thing)]
    wait(futures)
    for future in futures: future.result()
    flag = Flag()
    waits = pool.submit(flag.wait, Seconds(60))
    flag.set()
    waits.result()
thread = Mine(target=thing)
thread.start()
thread.join()
seen = [each for each in asked if each != ("barrier", "_parties")]
gate = Gate(2)
other = threading.Thread(target=gate.wait)
other.start()
while not gate.n_waiting: pass
gate.wait()
other.join()
print(seen, asked.count(("barrier", "_parties")) < 50)

class Loader:
    def create_module(self, spec): return None
    def exec_module(self, module): print("loaded")
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "lazy":
            return importlib.util.spec_from_loader(name, importlib.util.LazyLoader(Loader()))
sys.meta_path.insert(0, Finder())
import lazy
print("imported")
lazy.__name__
"""


def test_no_property_no_getattr_and_no_metaclass_of_the_app_is_called(tmp_path: Path) -> None:
    """And a module that is to be loaded when it is used is not loaded before."""
    said, _ = both(tmp_path, APP)
    assert said.endswith("imported\nloaded\n")
