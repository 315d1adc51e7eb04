"""A reader of pickles that knows tensors and builtins: nothing in a file is ever imported, and nothing of it is run.

A pickle is a program. Python's own unpicklers run all of it: also with every global refused, five bytes make the C one
allocate gigabytes, and a tuple nested deep enough, used as a key, ends the process. This one knows the instructions
that torch and our own writer use for state dicts and descriptions, and each costs a bounded amount of memory and time.
It takes a third of the time of the pure Python one.

Checkpoints of a training hold more than tensors: an optimizer's state, settings, callbacks. Where a reader asks for it,
`STAND_IN` takes the place of every object of a class that is not known here. It holds nothing, and what is called with
it, or made of it, is it again; so nothing of such an object reaches the reader, and the tensors beside it do.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any, NoReturn

from ..errors import FileError, ModelFileCorrupted, UnsafeFile

MAX_PICKLE_BYTES = 16 << 20
MAX_STEPS = 1_000_000
"""Instructions a pickle may have. A tensor takes about 35."""
_MAX_ARGUMENTS = 16
_MAX_GLOBAL = 400
"""Characters of a global's name, module and all."""
_MAX_STRANGERS = 100
_HARMFUL_MODULES = frozenset(
    {
        "os",
        "posix",
        "nt",
        "sys",
        "subprocess",
        "shutil",
        "socket",
        "ctypes",
        "importlib",
        "runpy",
        "pty",
        "code",
    }
    | {"webbrowser", "pickle", "_pickle", "marshal", "commands", "popen2", "asyncio", "multiprocessing"}
)
_HARMFUL_BUILTINS = frozenset(
    {"eval", "exec", "execfile", "compile", "open", "file", "getattr", "setattr", "delattr"}
    | {"__import__", "input", "breakpoint", "globals", "vars", "map", "apply"}
)
"""Nothing is safe because of these two: no global is ever resolved. But no training writes them, so a file that has
one was made to do harm, and is refused, whatever else it holds."""
_MAX_KEY = 1 << 60
"""Larger integers share their hashes, and a dictionary of those takes quadratic time."""


class StandIn:
    """Stands for an object that is not made: it has no content and no methods."""

    __slots__ = ()


STAND_IN = StandIn()


class Unpickler:
    """Reads one pickle after the other from ``data``.

    ``allowed`` gives what stands for each (module, name) that may occur: a function, to be called as the pickle says,
    or a constant. ``storage`` gives what a reference to a storage stands for; None refuses them. ``strangers`` takes
    the names of other globals, for which `STAND_IN` stands; None refuses them.
    """

    def __init__(
        self,
        data: bytes,
        path: Path,
        allowed: Mapping[tuple[str, str], Any],
        storage: Callable[[Any], Any] | None = None,
        strangers: dict[str, None] | None = None,
    ) -> None:
        self.position = 0
        self.data = data
        self.path = path
        self.allowed = allowed
        self.storage = storage
        self.strangers = strangers
        self._begin()

    def _begin(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        """Return what the pickle at ``position`` holds, and go to its end.

        Raises
        ------
        UnsafeFile
            When it asks for a global that is not allowed (of strangers: that runs programs), or has an instruction
            that runs code.
        ModelFileCorrupted
            When it is no pickle, or one of more than a million instructions.
        """
        self._begin()
        try:
            return self._run()
        except FileError:
            raise
        except Exception as error:  # its instructions are data: they can lead to any error
            raise ModelFileCorrupted(
                f"its pickle cannot be read ({type(error).__name__})", self.path, "Get the file again."
            ) from error

    def _run(self) -> Any:
        data, at, instructions = self.data, self.position, _INSTRUCTIONS
        for _ in range(MAX_STEPS):
            opcode = data[at]
            if opcode == _STOP:
                self.position = at + 1
                return self.stack.pop()
            at = instructions[opcode](self, at + 1)
        raise ValueError("too many instructions")

    def bytes_at(self, start: int, length: int) -> bytes:
        """Return the next ``length`` bytes: all of them, or EOFError."""
        if start + length > len(self.data):
            raise EOFError
        return self.data[start : start + length]

    def since_mark(self) -> list[Any]:
        """Take from the stack what was put there since the last mark."""
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def resolve(self, module: str, name: str) -> None:
        """Put the stand-in for a global on the stack."""
        if (module, name) in self.allowed:
            self.stack.append(self.allowed[module, name])
            return
        if self.strangers is None or _is_harmful(module, name):
            self.refuse(f"to run {f'{module[:100]}.{name}'[:100]!r}")
        if len(self.strangers) < _MAX_STRANGERS:
            self.strangers[f"{module}.{name}"] = None
        self.stack.append(STAND_IN)

    def refuse(self, what: str) -> NoReturn:
        """Raise UnsafeFile."""
        raise UnsafeFile(
            f"the file asks {what}; depthmap ran nothing",
            self.path,
            "Use a file that holds only tensors, from a source you trust.",
        )


def _is_harmful(module: str, name: str) -> bool:
    if len(module) + len(name) > _MAX_GLOBAL:
        return True
    builtin = module in ("builtins", "__builtin__")
    return module.partition(".")[0] in _HARMFUL_MODULES or (builtin and name in _HARMFUL_BUILTINS)


# -- the instructions: each takes where its operands begin, and returns where the next instruction does ----------

Instruction = Callable[[Unpickler, int], int]


def _proto(machine: Unpickler, at: int) -> int:
    if machine.data[at] > 5:
        raise ValueError("an unknown protocol")
    return at + 1


def _frame(machine: Unpickler, at: int) -> int:
    return at + 8  # how far a frame reaches is of use to readers of streams alone


def _mark(machine: Unpickler, at: int) -> int:
    machine.marks.append(len(machine.stack))
    return at


def _memoize(machine: Unpickler, at: int) -> int:
    machine.memo[len(machine.memo)] = machine.stack[-1]
    return at


# What a state dict has thousands of gets no more than it needs: one byte is read without `struct`.


def _get_short(machine: Unpickler, at: int) -> int:
    machine.stack.append(machine.memo[machine.data[at]])
    return at + 1


def _put_short(machine: Unpickler, at: int) -> int:
    machine.memo[machine.data[at]] = machine.stack[-1]
    return at + 1


def _number_short(machine: Unpickler, at: int) -> int:
    machine.stack.append(machine.data[at])
    return at + 1


def _get(form: struct.Struct) -> Instruction:
    unpack, size = form.unpack_from, form.size

    def instruction(machine: Unpickler, at: int) -> int:
        machine.stack.append(machine.memo[unpack(machine.data, at)[0]])
        return at + size

    return instruction


def _put(form: struct.Struct) -> Instruction:
    unpack, size = form.unpack_from, form.size

    def instruction(machine: Unpickler, at: int) -> int:
        machine.memo[unpack(machine.data, at)[0]] = machine.stack[-1]
        return at + size

    return instruction


def _constant(value: Any) -> Instruction:
    def instruction(machine: Unpickler, at: int) -> int:
        machine.stack.append(value)
        return at

    return instruction


def _new(kind: type) -> Instruction:
    def instruction(machine: Unpickler, at: int) -> int:
        machine.stack.append(kind())
        return at

    return instruction


def _number(form: struct.Struct) -> Instruction:
    unpack, size = form.unpack_from, form.size

    def instruction(machine: Unpickler, at: int) -> int:
        machine.stack.append(unpack(machine.data, at)[0])
        return at + size

    return instruction


def _string(form: struct.Struct, made: Callable[[bytes], Any]) -> Instruction:
    def instruction(machine: Unpickler, at: int) -> int:
        length = form.unpack_from(machine.data, at)[0]
        machine.stack.append(made(machine.bytes_at(at + form.size, length)))
        return at + form.size + int(length)

    return instruction


def _long(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


def _tuple(machine: Unpickler, at: int) -> int:
    machine.stack.append(tuple(machine.since_mark()))
    return at


def _tuple_of(count: int) -> Instruction:
    def instruction(machine: Unpickler, at: int) -> int:
        items = tuple(machine.stack[-count:])
        if len(items) != count:
            raise IndexError
        machine.stack[-count:] = [items]
        return at

    return instruction


def _extend(target: Any, items: list[Any]) -> None:
    if target is STAND_IN:
        return
    if type(target) is not list:
        raise TypeError
    target.extend(items)


def _append(machine: Unpickler, at: int) -> int:
    item = machine.stack.pop()
    _extend(machine.stack[-1], [item])
    return at


def _appends(machine: Unpickler, at: int) -> int:
    items = machine.since_mark()
    _extend(machine.stack[-1], items)
    return at


def _store(machine: Unpickler, items: list[Any]) -> None:
    target = machine.stack[-1]
    if target is STAND_IN:
        return
    if type(target) is not dict:
        raise TypeError
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) is str or (type(key) is int and -_MAX_KEY < key < _MAX_KEY):
            target[key] = value
        elif machine.strangers is None:  # else what is kept under it is no tensor by name, and passed over
            raise TypeError("keys are names or numbers")


def _setitem(machine: Unpickler, at: int) -> int:
    value, key = machine.stack.pop(), machine.stack.pop()
    _store(machine, [key, value])
    return at


def _setitems(machine: Unpickler, at: int) -> int:
    _store(machine, machine.since_mark())
    return at


def _global(machine: Unpickler, at: int) -> int:
    middle = machine.data.index(b"\n", at)
    end = machine.data.index(b"\n", middle + 1)
    machine.resolve(machine.data[at:middle].decode(), machine.data[middle + 1 : end].decode())
    return end + 1


def _stack_global(machine: Unpickler, at: int) -> int:
    name, module = machine.stack.pop(), machine.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise TypeError
    machine.resolve(module, name)
    return at


def _reduce(machine: Unpickler, at: int) -> int:
    arguments, function = machine.stack.pop(), machine.stack.pop()
    if type(arguments) is not tuple:
        raise TypeError
    if len(arguments) > _MAX_ARGUMENTS:  # each call copies them
        raise ValueError("too many arguments")
    if function is STAND_IN or STAND_IN in arguments:
        machine.stack.append(STAND_IN)
        return at
    if type(function) is not FunctionType:
        raise TypeError
    machine.stack.append(function(*arguments))
    return at


def _new_object(operands: int) -> Instruction:
    def instruction(machine: Unpickler, at: int) -> int:
        *_, kind = [machine.stack.pop() for _ in range(operands)]
        if kind is not STAND_IN:
            machine.refuse(_RUN)
        machine.stack.append(STAND_IN)
        return at

    return instruction


def _build(machine: Unpickler, at: int) -> int:
    machine.stack.pop()  # attributes (torch's _metadata) are of no use here
    return at


def _persistent(machine: Unpickler, at: int) -> int:
    if machine.storage is None:
        machine.refuse(_OUTSIDE)
    pid = machine.stack.pop()
    strange = type(pid) is tuple and len(pid) <= _MAX_ARGUMENTS and STAND_IN in pid
    machine.stack.append(STAND_IN if strange else machine.storage(pid))
    return at


def _never(what: str) -> Instruction:
    return lambda machine, _: machine.refuse(what)


_STOP = ord(".")
_U1, _U2, _I4, _U4, _U8 = (struct.Struct("<" + code) for code in "BHiIQ")
_F8 = struct.Struct(">d")
_RUN, _OUTSIDE = "to make objects of classes", "for something outside itself"
_INSTRUCTIONS: dict[int, Instruction] = {
    opcode[0]: instruction
    for opcode, instruction in {
        b"\x80": _proto, b"\x95": _frame, b"(": _mark,
        b"q": _put_short, b"r": _put(_U4), b"\x94": _memoize, b"h": _get_short, b"j": _get(_U4),
        b"N": _constant(None), b"\x88": _constant(True), b"\x89": _constant(False), b")": _constant(()),
        b"}": _new(dict), b"]": _new(list),
        b"K": _number_short, b"M": _number(_U2), b"J": _number(_I4), b"G": _number(_F8),
        b"\x8a": _string(_U1, _long),
        b"U": _string(_U1, bytes.decode), b"T": _string(_U4, bytes.decode),
        b"\x8c": _string(_U1, bytes.decode), b"X": _string(_U4, bytes.decode),
        b"C": _string(_U1, bytes), b"B": _string(_U4, bytes), b"\x8e": _string(_U8, bytes),
        b"\x85": _tuple_of(1), b"\x86": _tuple_of(2), b"\x87": _tuple_of(3), b"t": _tuple,
        b"a": _append, b"e": _appends, b"s": _setitem, b"u": _setitems,
        b"c": _global, b"\x93": _stack_global, b"R": _reduce, b"b": _build, b"Q": _persistent,
        b"\x81": _new_object(2), b"\x92": _new_object(3),
        **dict.fromkeys((b"i", b"o", b"\x82", b"\x83", b"\x84"), _never(_RUN)),
        **dict.fromkeys((b"P", b"\x97"), _never(_OUTSIDE)),
    }.items()
}  # fmt: skip
"""What can be read, and what is refused by name; anything else is no pickle that a model is stored as."""


def unpickle(
    data: bytes,
    path: Path,
    allowed: Mapping[tuple[str, str], Any],
    storage: Callable[[Any], Any] | None = None,
    strangers: dict[str, None] | None = None,
) -> Any:
    """Return what ``data`` holds, see `Unpickler`.

    Raises
    ------
    UnsafeFile, ModelFileCorrupted
        See `Unpickler.load`; ModelFileCorrupted also for more than 16 MiB.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise ModelFileCorrupted(
            f"its pickle has {len(data)} bytes; no model needs so many", path, "Use another file."
        )
    return Unpickler(data, path, allowed, storage, strangers).load()
