"""What can be learnt of the app's things without running any of the app's code.

An attribute may be a property, a class have a ``__getattr__`` or a metaclass, ``isinstance`` ask
for ``__class__``: none of that is the recorder's to call, and least in a callback.  Here are what C
code answers by itself.
"""

from __future__ import annotations

from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    WrapperDescriptorType,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ancestors: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_namespace: Callable[[type], dict[str, Any]] = type.__dict__["__dict__"].__get__
_qualname: Callable[[type], object] = type.__dict__["__qualname__"].__get__
_module: Callable[[type], object] = type.__dict__["__module__"].__get__

_NAMED = {
    id(kind)
    for kind in (
        BuiltinFunctionType,
        FunctionType,
        MethodDescriptorType,
        MethodWrapperType,
        WrapperDescriptorType,
    )
}
"""Types whose ``__name__`` is a string of their own."""

_NOTHING: dict[str, Any] = {}


def variables(thing: object) -> dict[str, Any]:
    """Return what ``vars(thing)`` would, or nothing: to be looked at, never to be changed."""
    for kind in _ancestors(type(thing)):
        descriptor = _namespace(kind).get("__dict__")
        if type(descriptor) is GetSetDescriptorType or type(descriptor) is MemberDescriptorType:
            found = descriptor.__get__(thing)
            return found if type(found) is dict else _NOTHING
    return _NOTHING


def attribute(thing: object, name: str) -> Any:
    """Return what the thing itself, not its class, has by this name; None if nothing."""
    return variables(thing).get(name)


def text(thing: object) -> str:
    """Return the thing if it is a string and nothing more; else an empty one."""
    return thing if type(thing) is str else ""


def name_of(callee: object) -> str:
    """Return the name of a function or method; of any other thing that can be called, nothing."""
    kind = type(callee)
    if kind is MethodType:
        return name_of(callee.__func__)  # type: ignore[attr-defined]
    return callee.__name__ if id(kind) in _NAMED else ""  # type: ignore[attr-defined]


def is_a(thing: object, kind: type) -> bool:
    """Return whether the thing really is of a class, or one derived from it."""
    return kind in _ancestors(type(thing))


def in_class(kind: type, name: str) -> Any:
    """Return what the class itself has by this name; None if nothing."""
    return _namespace(kind).get(name)


def class_name(kind: type) -> str:
    """Return the qualified name of a class."""
    return text(_qualname(kind))


def class_module(kind: type) -> str:
    """Return the name of the module in which a class was made."""
    return text(_module(kind))
