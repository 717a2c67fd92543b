"""Run a script, a module or code as ``python`` itself would, in this process.

The app sees the same ``sys.argv``, ``sys.path[0]``, ``__main__`` and ``__file__``; its exceptions
end the process as they would end ``python``, and their tracebacks begin with the app's own frames.
Source: CPython ``Modules/main.c``, ``pymain_run_python``; ``Lib/runpy.py``.
"""

from __future__ import annotations

import os
import sys
from types import CodeType, ModuleType

from tprecord import compat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


PACKAGE = __file__.rpartition("launch")[0]


class CannotRun(Exception):
    """There is no such script; ``str()`` is what ``python`` would say."""


def look_for(path: str) -> None:
    """Raise `CannotRun` if there is nothing to run at `path`: no trace need be begun for it."""
    if not os.access(path, os.R_OK):
        _source(path)


def run_script(path: str, arguments: list[str]) -> None:
    """Run the script, directory or zip file at `path` as ``python path arguments``."""
    sys.argv = [path, *arguments]
    if _is_importable(path):
        sys.path[: 0 if sys.flags.safe_path else 1] = [_absolute(path)]
        _new_main()
        _run(lambda: _run_as_main("__main__", False))
        return
    source = _source(path)
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    path = _absolute(path)
    main = _new_main()
    main.__file__ = path
    main.__dict__["__cached__"] = None
    from importlib.machinery import SourceFileLoader, SourcelessFileLoader

    if path.endswith(".pyc"):
        bare = SourcelessFileLoader("__main__", path)
        main.__loader__ = bare
        _run(lambda: _execute(bare.get_code("__main__"), main))
    else:
        main.__loader__ = SourceFileLoader("__main__", path)
        _run(lambda: _execute(_compiled(source, path), main))


def run_module(name: str, arguments: list[str]) -> None:
    """Run a module as ``python -m name arguments``."""
    sys.argv = ["-m", *arguments]
    _new_main()
    _run(lambda: _run_as_main(name, True))


def run_code(source: str, arguments: list[str]) -> None:
    """Run code as ``python -c source arguments``."""
    sys.argv = ["-c", *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = ""
    main = _new_main()
    if compat.SHOWS_SOURCE_OF_DASH_C:
        import linecache

        register: Callable[..., None] | None = getattr(linecache, "_register_code", None)
        if register is not None and compat.VERSION < (3, 14):
            register("<string>", source, "<string>")
    _run(lambda: _execute(_compiled(source, "<string>"), main))


def _source(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise CannotRun(
            f"can't open file {os.path.abspath(path)!r}: [Errno {error.errno}] {error.strerror}"
        ) from None


def _absolute(path: str) -> str:
    """Return the path that becomes ``__file__``.  Source: ``_Py_abspath``, Python/fileutils.c."""
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path.removeprefix("./"))


def _compiled(source: str | bytes, filename: str) -> CodeType:
    return compile(source, filename, "exec", dont_inherit=True)


def _execute(code: CodeType | None, main: ModuleType) -> None:
    if code is None:
        raise ImportError("there is no code to run")
    exec(code, main.__dict__)  # noqa: S102  # it is what the user asked for


def _run_as_main(name: str, alter_argv: bool) -> None:
    import runpy

    run: Callable[[str, bool], object] = vars(runpy)["_run_module_as_main"]
    run(name, alter_argv)


def _is_importable(path: str) -> bool:
    """Return true for a directory or zip file, which ``python`` looks into for ``__main__``."""
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def _new_main() -> ModuleType:
    """Make ``__main__``, which is the recorder's own, what it is when a program begins.

    The module stays: the collector goes through what a program leaves behind in the order in which
    things came to be, and takes two or three times as long where ``__main__`` came late.
    """
    import builtins
    from importlib.machinery import BuiltinImporter

    main = sys.modules["__main__"]
    space = main.__dict__
    annotated = "__annotations__" in space  # until 3.13
    space.clear()
    space.update(dict.fromkeys(("__name__", "__doc__", "__package__", "__loader__", "__spec__")))
    space["__name__"], space["__loader__"] = "__main__", BuiltinImporter
    if annotated:
        space["__annotations__"] = {}
    space["__builtins__"] = builtins
    return main


def _run(call: Callable[[], object]) -> None:
    """Make the call; let an exception end the process as if the app's frames were the first."""
    try:
        call()
    except SystemExit:
        raise
    except BaseException:
        _hide_our_frames(sys.excepthook)
        raise


def _hide_our_frames(shown_by: Callable[..., object]) -> None:
    """Have the interpreter, which is about to report an exception, leave out the launcher."""

    def excepthook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        sys.excepthook = shown_by  # whatever the app had put there
        traceback = _without_launcher(traceback)
        error.__traceback__ = sys.last_traceback = traceback
        sys.excepthook(kind, error, traceback)

    sys.excepthook = excepthook


def _without_launcher(traceback: TracebackType | None) -> TracebackType | None:
    """Return what comes after the launcher's last frame: ``python -m`` shows runpy's own."""
    here, rest = traceback, traceback
    while here is not None:
        file = here.tb_frame.f_code.co_filename
        here = here.tb_next
        if file.startswith(PACKAGE):
            rest = here
        elif file != "<frozen runpy>":
            break
    return rest


FLOORS = (_execute, _run_as_main)
"""The functions that call the app: no frame above theirs is its own."""
