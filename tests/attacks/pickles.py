"""Pickles that want to run something, or to take all the memory or all the time there is.

Each is pushed in three wrappings: as a value in the pickle of a checkpoint, in one of torch before 1.6, and as the
spec in a ``.pkl``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from .opcodes import body, call, checkpoint, mapping, old_checkpoint, storage, tensor, uni, whole
from .table import PICKLE_DOORS, PKL_DOORS, add

Value = Callable[[str], bytes]
"""Gives the instructions that put one value on the stack; it is told what file to make if it is run."""


def value(make: Value) -> Value:
    """Enter a value into the table, in three wrappings."""
    name, about = make.__name__.strip("_").replace("_", " "), make.__doc__ or ""

    def as_pt(path: Path, trace: Path) -> None:
        path.write_bytes(checkpoint(whole(mapping({"a": tensor(), "b": make(str(trace))}))))

    def as_old_pt(path: Path, trace: Path) -> None:
        path.write_bytes(old_checkpoint(whole(mapping({"a": _old_tensor(), "b": make(str(trace))}))))

    def as_pkl(path: Path, trace: Path) -> None:
        path.write_bytes(whole(mapping({"schema": b"K\x01", "files": b"}", "spec": make(str(trace))})))

    add(f"{name}, in a .pt", about, ".pt", as_pt, PICKLE_DOORS)
    add(f"{name}, in an old .pt", about, ".pt", as_old_pt, ("load",))
    add(f"{name}, in a .pkl", about, ".pkl", as_pkl, PKL_DOORS)
    return make


def _old_tensor() -> bytes:
    return tensor(kept=storage("0", "FloatStorage", 4, b"N"))


# -- running something -------------------------------------------------------------------------------------------


@value
def a_function_is_called(trace: str) -> bytes:
    """REDUCE of a global, the usual way."""
    return call("builtins.open", uni(trace), uni("w"))


@value
def a_function_is_called_by_stack_global(trace: str) -> bytes:
    """STACK_GLOBAL, whose names are values and could be put together."""
    return uni("builtins") + uni("open") + b"\x93(" + uni(trace) + uni("w") + b"tR"


@value
def an_inst_is_made(trace: str) -> bytes:
    """INST, the class-making instruction of protocol 0."""
    return b"(" + uni(trace) + uni("w") + b"ibuiltins\nopen\n"


@value
def an_obj_is_made(trace: str) -> bytes:
    """OBJ, the same of protocol 1."""
    return b"(cbuiltins\nopen\n" + uni(trace) + uni("w") + b"o"


@value
def a_newobj_is_made(trace: str) -> bytes:
    """NEWOBJ of a class that starts a process."""
    return b"csubprocess\nPopen\n(" + uni("touch " + trace) + b"t\x81"


@value
def an_allowed_class_is_called_as_newobj(trace: str) -> bytes:
    """NEWOBJ of what may be named, with arguments that it does not expect."""
    return b"ccollections\nOrderedDict\n(" + uni(trace) + b"t\x81"


@value
def setstate_is_replaced(trace: str) -> bytes:
    """BUILD gives an object a __setstate__, the next BUILD calls it."""
    harmless = call("collections.OrderedDict")
    state = mapping({"__setstate__": b"cos\nsystem\n"})
    return harmless + state + b"b" + uni("touch " + trace) + b"b"


@value
def a_dotted_name_walks_to_its_aim(trace: str) -> bytes:
    """A name with dots reaches, from an allowed module, whatever that imported."""
    return uni("collections") + uni("_sys.modules") + b"\x93" + body(()) + b"R"


@value
def an_allowed_name_is_only_similar(trace: str) -> bytes:
    """Names that differ from allowed ones by blanks, NULs and case."""
    return b"]" + b"".join(
        uni(m) + uni(n) + b"\x93a" for m, n in [("torch ", "Size"), ("torch", "size"), ("torch", "Size\0")]
    )


@value
def an_extension_is_called(trace: str) -> bytes:
    """EXT1 and EXT4 name what the process has registered with copyreg."""
    return b"\x82\x01" + b"\x84\x01\x00\x00\x00" + b"0"


@value
def a_constant_is_called(trace: str) -> bytes:
    """REDUCE of something that is no function: a storage's type, a list, a result."""
    return b"ctorch\nFloatStorage\n(" + uni(trace) + b"tR"


@value
def a_stand_in_is_called_with_nonsense(trace: str) -> bytes:
    """The functions that may be called, with arguments of other types and numbers."""
    wrong = (b"N", b"]", b"}", uni("x"), body(-1), body(2.5), body(((),)), b"ctorch\nSize\n")
    return b"]" + b"".join(call("torch._utils._rebuild_tensor_v2", a, a, a, a) + b"a" for a in wrong)


@value
def a_persistent_id_is_nonsense(trace: str) -> bytes:
    """A reference to a storage that is no tuple, or a tuple of what cannot be compared or printed."""
    return b"(" + uni("storage") + b"]" + b"]" + uni("cpu") + b"]" + b"tQ"


@value
def a_persistent_id_is_text(trace: str) -> bytes:
    """PERSID, whose name is a line of text."""
    return b"P../../../../etc/passwd\n"


@value
def a_persistent_id_is_a_path(trace: str) -> bytes:
    """A storage whose key leads out of the archive."""
    return tensor(kept=storage("../../../../../etc/passwd"))


# -- taking all the memory ---------------------------------------------------------------------------------------


@value
def a_memo_is_huge(trace: str) -> bytes:
    """LONG_BINPUT at 2³¹-1: Python's own C unpickler allocates 32 GB."""
    return b"}r\xff\xff\xff\x7f"


@value
def ten_million_lists(trace: str) -> bytes:
    """One byte each in the file, 64 in memory."""
    return b"(" + b"]" * 10_000_000 + b"l"


@value
def ten_million_sets(trace: str) -> bytes:
    """One byte each in the file, 216 in memory."""
    return b"\x8f" * 10_000_000


@value
def ten_million_marks(trace: str) -> bytes:
    """Each of which is a list in Python's own unpickler."""
    return b"(" * 10_000_000 + b"t"


@value
def a_million_copies_of_a_shape(trace: str) -> bytes:
    """A shape of 100000 numbers, copied by each of a million calls."""
    return b"(" + b"K\x01" * 100_000 + b"tq\x000" + b"(" + b"ctorch\nSize\nh\x00\x85R" * 300_000 + b"t"


@value
def a_million_long_calls(trace: str) -> bytes:
    """A call with 100000 arguments, 300000 times."""
    return b"(" + b"N" * 100_000 + b"tq\x000ctorch\ndevice\nq\x010(" + b"h\x01h\x00R" * 200_000 + b"t"


@value
def an_integer_of_two_gigabytes(trace: str) -> bytes:
    """LONG4 with a length that the file has not."""
    return b"\x8b\xff\xff\xff\x7f" + b"\x01" * 100


@value
def a_text_of_four_exabytes(trace: str) -> bytes:
    """BINUNICODE8 with a length that nothing has."""
    return b"\x8d" + struct.pack("<Q", 2**62) + b"x"


@value
def bytes_of_four_exabytes(trace: str) -> bytes:
    """BINBYTES8 with a length that nothing has."""
    return b"\x8e" + struct.pack("<Q", 2**62) + b"x"


@value
def a_buffer_of_eight_exabytes(trace: str) -> bytes:
    """BYTEARRAY8, which is allocated before it is read."""
    return b"\x96" + struct.pack("<Q", 2**63 - 1)


@value
def a_negative_length(trace: str) -> bytes:
    """BINSTRING with a length below zero, which would lead backwards."""
    return b"T" + struct.pack("<i", -6) + b"x"


@value
def a_frame_that_lies(trace: str) -> bytes:
    """FRAME with a length that nothing has."""
    return b"\x95" + struct.pack("<Q", 2**62) + b"N"


@value
def an_offset_that_is_text(trace: str) -> bytes:
    """Text times a dimension is text of that many gigabytes."""
    return tensor((2**35,), (1,), "x") + b"0" + tensor((2**33, 2), ("x", 1), 0)


@value
def lists_within_lists_to_print(trace: str) -> bytes:
    """Billion laughs: thirty lists, each naming the one before twice; two billion items to whoever prints it."""
    return b"]q\x00" + b"".join(b"0]q%c(h%ch%ce" % (i + 1, i, i) for i in range(30))


# -- taking all the time, or the stack ---------------------------------------------------------------------------


@value
def a_key_nested_without_end(trace: str) -> bytes:
    """A tuple in a tuple, 400000 deep, used as a key: hashing it ends CPython's process."""
    return b"})" + b"\x85" * 400_000 + b"Ns"


@value
def a_list_nested_without_end(trace: str) -> bytes:
    """A list in a list, 200000 deep."""
    return b"]" * 200_000 + b"a" * 199_999


@value
def keys_that_all_collide(trace: str) -> bytes:
    """Integers that are multiples of 2⁶¹-1 hash alike, and a dictionary of them takes quadratic time."""
    keys = ((i * (2**61 - 1)).to_bytes(12, "little") for i in range(1, 100_000))
    return b"}(" + b"".join(b"\x8a\x0c" + key + b"N" for key in keys) + b"u"


@value
def an_integer_of_a_million_digits(trace: str) -> bytes:
    """INT and LONG are decimal text, which takes quadratic time to read."""
    return b"L" + b"9" * 5_000_000 + b"L\n"


@value
def dimensions_of_two_thousand_bits(trace: str) -> bytes:
    """LONG1 numbers of 255 bytes as a shape: products of them are larger still."""
    return tensor(b"(" + (b"\x8a\xff" + b"\x7f" * 255) * 1000 + b"t", (1,) * 1000)


@value
def keys_that_cannot_be_keys(trace: str) -> bytes:
    """Lists and dictionaries as keys."""
    return b"}]Ns}Ns"


@value
def itself_within_itself(trace: str) -> bytes:
    """A dictionary that holds itself, under the names under which a state dict is looked for."""
    return b"}q\x00(" + uni("model") + b"h\x00" + uni("state_dict") + b"h\x00u"


@value
def items_for_what_is_no_dictionary(trace: str) -> bytes:
    """SETITEMS and APPENDS on tensors, text and None."""
    return b"N(NNu" + tensor() + b"(NNu"


# -- leading astray what stands for objects of unknown classes -----------------------------------------------------


@value
def an_object_of_an_unknown_class_is_made_in_every_way(trace: str) -> bytes:
    """REDUCE, NEWOBJ, NEWOBJ_EX and BUILD of a class that nobody has, with items, in place of a list and of a dict."""
    stranger = b"cstrange\nStranger\n"
    made = stranger + b")R" + stranger + b")\x81" + stranger + b")}\x92"
    items = b"(" + uni("touch") + uni(trace) + b"u(NNe" + mapping({"a": b"N"}) + b"b"
    return b"(" + made + items + b"t"


@value
def an_object_of_an_unknown_class_stands_for_a_storage(trace: str) -> bytes:
    """Tensors, shapes and references made of what is nothing."""
    stranger = b"cstrange\nStranger\n)R"
    return b"(" + tensor(kept=stranger) + tensor(stranger) + tensor(kept=storage(stranger)) + stranger + b"Qt"


@value
def an_object_of_an_unknown_class_is_a_key(trace: str) -> bytes:
    """Older files of Lightning have classes as keys."""
    return b"}(cstrange\nStranger\nNcstrange\nStranger\n)RNu"


@value
def an_unknown_class_whose_name_has_megabytes(trace: str) -> bytes:
    """STACK_GLOBAL of one long text a million times."""
    long = b"X" + struct.pack("<I", 8 << 20) + b"x" * (8 << 20)
    return b"(" + long + b"q\x00" + b"h\x00h\x00\x93" * 200_000 + b"t"


@value
def a_hundred_thousand_unknown_classes(trace: str) -> bytes:
    """Each under a name of its own."""
    return b"(" + b"".join(b"cstrange\nStranger%d\n" % i for i in range(100_000)) + b"t"


@value
def an_unknown_class_with_a_name_for_the_terminal(trace: str) -> bytes:
    """Whoever is told of it should not have the title of his window changed."""
    return uni("\x1b]0;owned\x07") + uni("\x1b[2J") + b"\x93"


@value
def a_reference_that_is_a_long_list(trace: str) -> bytes:
    """A hundred thousand items, in which something is looked for a million times."""
    return b"](" + b"N" * 100_000 + b"eq\x00(" + b"h\x00Q" * 200_000 + b"t"


@value
def dictionaries_nested_without_end(trace: str) -> bytes:
    """A dictionary in a dictionary, 100000 deep, whose names joined are longer than memory."""
    name = uni("x" * 100) + b"q\x00"
    return name + b"}" + b"h\x00}" * 100_000 + b"s" * 100_000


@value
def dictionaries_that_hold_each_other_twice(trace: str) -> bytes:
    """Billion laughs: thirty dictionaries, each with the one before under two names."""
    return b"}q\x00" + b"".join(b"}q%c(%sh%c%sh%cu" % (i + 1, uni("a"), i, uni("b"), i) for i in range(30))


# -- whole pickles -----------------------------------------------------------------------------------------------

_STREAMS = {
    "a pickle that only ends": b".",
    "a pickle without an end": b"\x80\x02}",
    "a pickle of protocol 255": b"\x80\xff}.",
    "a pickle that takes from an empty stack": b"\x80\x02000000tuesR.",
    "a pickle of nothing but nested tuples": b"\x80\x02)" + b"\x85" * 900_000 + b".",
    "a pickle of text": b"(dp0\nS'schema'\np1\nI1\ns.",
    "a pickle that is none": bytes(range(256)) * 8,
}


def _stream(name: str, raw: bytes) -> None:
    about = "The machine that reads it is led astray."
    add(f"{name}, in a .pt", about, ".pt", lambda path, _: _written(path, checkpoint(raw)), PICKLE_DOORS)
    add(
        f"{name}, in an old .pt",
        about,
        ".pt",
        lambda p, _: _written(p, old_checkpoint(raw)),
        ("load",),
    )
    add(f"{name}, in a .pkl", about, ".pkl", lambda path, _: _written(path, raw), PKL_DOORS)


def _written(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


for _name, _raw in _STREAMS.items():
    _stream(_name, _raw)
