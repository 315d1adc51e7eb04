"""The pickle that torch writes for a state dict, instruction by instruction: no torch, and no pickler.

It is torch's own, byte for byte. The exception is a tensor named "storage" or "cpu", words that torch writes beside
every tensor: torch's then may refer to its name where this one repeats it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from ..errors import UsageError
from .state_dict import STORAGES
from .tensors import ITEM_SIZES, brief

_BATCH = 1000
"""Entries that Python's pickler puts into a dictionary at a time."""
_CLASSES = {dtype: name for name, dtype in STORAGES.items() if not name.startswith("Q")}
"""torch's class of storages by dtype. Newer dtypes have none; their storages are plain bytes."""


class View(NamedTuple):
    """A tensor to write: a view of ``storage``, any buffer; views of one and the same object share it in the file.

    ``strides`` and ``offset`` count elements of ``dtype``, a key of `ITEM_SIZES`.
    """

    dtype: str
    storage: Any
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0


class Pickled(NamedTuple):
    """A state dict's pickle, and its storages: the one with key "0", then "1", and so on."""

    data: bytes
    storages: list[Any]


def pickled(views: Mapping[str, View]) -> Pickled:
    """Return the pickle of an ordered dictionary of tensors.

    Raises
    ------
    UsageError
        When tensors of different dtypes share a storage: torch could not read them.
    """
    storages: dict[int, View] = {}
    keys: dict[int, str] = {}
    writer = _Writer()
    writer.ordered_dict()
    names = list(views)
    for start in range(0, len(names), _BATCH):
        batch = names[start : start + _BATCH]
        writer.put(b"(" if len(batch) > 1 else b"")
        for name in batch:
            view = views[name]
            first = storages.setdefault(id(view.storage), view)
            if first.dtype != view.dtype:
                raise UsageError(
                    f"Tensor {brief(name)} is {view.dtype}, and shares its memory with one of {first.dtype}",
                    remedy="Write a copy of one of them.",
                )
            writer.text(name)
            writer.tensor(view, keys.setdefault(id(view.storage), str(len(keys))))
        writer.put(b"u" if len(batch) > 1 else b"s")
    return Pickled(writer.done(), [view.storage for view in storages.values()])


class _Writer:
    """Puts instructions down as Python's pickler of protocol 2 does: what was written once is only referred to."""

    def __init__(self) -> None:
        self._out = bytearray(b"\x80\x02")
        self._numbered = 0
        self._written: dict[Hashable, int] = {}

    def done(self) -> bytes:
        """Return the pickle."""
        return bytes(self._out + b".")

    def put(self, raw: bytes) -> None:
        """Write instructions."""
        self._out += raw

    def ordered_dict(self) -> None:
        """Write an empty dictionary."""
        self._global("collections", "OrderedDict")
        self.put(b")R")
        self._number_it()

    def tensor(self, view: View, key: str) -> None:
        """Write a tensor whose storage has this key."""
        of_class = view.dtype in _CLASSES
        size = memoryview(view.storage).nbytes
        self._global("torch._utils", f"_rebuild_tensor_v{2 if of_class else 3}")
        self.put(b"((")
        self._word("storage")
        if of_class:
            self._global("torch", _CLASSES[view.dtype])
            size //= ITEM_SIZES[view.dtype]
        else:
            self._global("torch.storage", "UntypedStorage")
        self._word(key)
        self._word("cpu")
        self._integer(size)
        self.put(b"t")
        self._number_it()
        self.put(b"Q")  # the storage
        self._integer(view.offset)
        self._tuple(view.shape)
        self._tuple(view.strides)
        self.put(b"\x89")  # it requires no gradient
        self.ordered_dict()  # and has no hooks
        if not of_class:
            self._global("torch", view.dtype)
        self.put(b"t")
        self._number_it()
        self.put(b"R")
        self._number_it()

    def text(self, text: str) -> None:
        """Write a text."""
        raw = text.encode("utf-8", "surrogatepass")
        self.put(b"X" + len(raw).to_bytes(4, "little") + raw)
        self._number_it()

    def _word(self, word: str) -> None:
        if not self._refer(word):
            self._written[word] = self._numbered
            self.text(word)

    def _global(self, module: str, name: str) -> None:
        if not self._refer((module, name)):
            self._written[module, name] = self._numbered
            self.put(f"c{module}\n{name}\n".encode())
            self._number_it()

    def _refer(self, what: Hashable) -> bool:
        number = self._written.get(what)
        if number is not None:
            self.put(_numbered(b"h", b"j", number))
        return number is not None

    def _number_it(self) -> None:
        self.put(_numbered(b"q", b"r", self._numbered))
        self._numbered += 1

    def _tuple(self, numbers: tuple[int, ...]) -> None:
        if not numbers:
            self.put(b")")
            return
        short = {1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(numbers))
        self.put(b"" if short else b"(")
        for number in numbers:
            self._integer(number)
        self.put(short or b"t")
        self._number_it()

    def _integer(self, number: int) -> None:
        if number < 1 << 8:
            self.put(b"K" + number.to_bytes(1, "little"))
        elif number < 1 << 16:
            self.put(b"M" + number.to_bytes(2, "little"))
        elif number < 1 << 31:
            self.put(b"J" + number.to_bytes(4, "little"))
        else:
            raw = number.to_bytes(number.bit_length() // 8 + 1, "little")
            self.put(b"\x8a" + len(raw).to_bytes(1, "little") + raw)


def _numbered(short: bytes, long: bytes, number: int) -> bytes:
    return short + number.to_bytes(1, "little") if number < 256 else long + number.to_bytes(4, "little")
