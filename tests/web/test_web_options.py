"""Whatever comes as an option, a form or an Accept header is read as it is meant, or refused in our words."""

from __future__ import annotations

import string
from itertools import cycle

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthmap.colours import COLOUR_MAPS
from depthmap.errors import UsageError
from depthmap.outputs import OUTPUTS
from depthmap.web.answers import attachment, stem_of
from depthmap.web.limits import Limits
from depthmap.web.negotiation import choose
from depthmap.web.options import OPTIONS, read
from depthmap.web.uploads import _Form

NAMES = st.one_of(st.sampled_from(list(OPTIONS)), st.text(max_size=8))
TEXTS = st.one_of(
    st.text(max_size=12),
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from([*OUTPUTS, *COLOUR_MAPS, "1,2=3", "4,5=inf", "1,0.5", "nan,1", "1,2=-3", ",", "1e999"]),
)
NUMBERS = {
    name: option.schema for name, option in OPTIONS.items() if option.schema["type"] in ("number", "integer")
}


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=6), st.lists(st.tuples(NAMES, TEXTS), max_size=6))
def test_any_options_are_read_or_refused_with_a_remedy(
    query: list[tuple[str, str]], fields: list[tuple[str, str]]
) -> None:
    asked = refused = None
    try:
        asked = read(query, fields)
    except UsageError as error:
        refused = error
    if asked is None:
        assert refused
        assert refused.remedy
        return
    assert set(asked.outputs) <= set(OUTPUTS)
    assert asked.options.colours in COLOUR_MAPS
    assert asked.options.ratio > 1
    assert 0 <= asked.options.eyes <= 20


@pytest.mark.parametrize("name", NUMBERS)
@given(data=st.data())
def test_a_number_is_taken_exactly_where_its_schema_says(name: str, data: st.DataObject) -> None:
    schema = NUMBERS[name]
    number = data.draw(st.integers() if schema["type"] == "integer" else st.floats())
    allowed = (
        abs(number) < float("inf")
        and number >= schema.get("minimum", number)
        and number <= schema.get("maximum", number)
        and number > schema.get("exclusiveMinimum", -float("inf"))
        and number < schema.get("exclusiveMaximum", float("inf"))
    )
    beside = [("calibrate", "1,2=3")] if name == "far" else []
    try:
        read([(name, repr(number)), *beside])
    except UsageError:
        assert not allowed
    else:
        assert allowed


@given(st.permutations(list(OUTPUTS)), st.data())
def test_outputs_keep_their_order_however_they_are_separated(names: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(names) - 1))
    texts = [("outputs", ",".join(names[:cut])), ("outputs", " , ".join(names[cut:]).upper())]
    assert read(texts).outputs == tuple(names)


def test_the_query_wins_option_by_option() -> None:
    asked = read([("colours", "grey")], [("colours", "magma"), ("fov", "50"), ("size", "")])
    assert (asked.options.colours, asked.camera, asked.size) == ("grey", {"fov": 50.0}, None)


OFFERS = ["application/json", "image/png", "image/tiff", "model/ply"]


@given(st.text(alphabet="*/;,=q.01 abcimagepngjsontiff+-", max_size=40))
def test_any_accept_header_gives_an_offer_or_none(accept: str) -> None:
    assert choose(accept, OFFERS) in [*OFFERS, None]


@given(st.dictionaries(st.sampled_from(OFFERS), st.integers(0, 1000), min_size=1))
def test_of_weights_the_greatest_is_chosen_and_of_equals_the_first(weights: dict[str, int]) -> None:
    accept = ", ".join(f"{offer};q={weight / 1000:.3f}" for offer, weight in weights.items())
    best = max(weights.values())
    wanted = next(offer for offer in OFFERS if weights.get(offer, -1) == best)
    assert choose(accept, OFFERS) == (wanted if best else None)


def test_the_more_exact_range_counts() -> None:
    assert choose("image/*;q=0.5, image/png;q=0.1, */*;q=0.2", OFFERS) == "image/tiff"
    assert choose("*/*;q=0.5, application/json;q=0", OFFERS) == "image/png"


@given(st.text(max_size=300))
def test_any_name_gives_a_stem_that_leads_nowhere(name: str) -> None:
    stem = stem_of(name)
    assert 0 < len(stem) <= 100
    assert not set(stem) & set('/\\:*?"<>|\r\n\0')
    assert not stem.startswith((".", " "))
    header = attachment(f"{stem}_depth.png")
    assert set(header) <= set(string.printable) - set("\r\n\x0b\x0c\t")
    assert header.count('"') == 2


@given(st.binary(max_size=300), st.text(max_size=20), st.lists(st.integers(1, 40), min_size=1))
def test_a_form_means_the_same_however_it_is_cut(picture: bytes, model: str, cuts: list[int]) -> None:
    boundary = "x" * 40
    request = httpx.Request(
        "POST",
        "http://localhost/",
        files={"image": ("größe.png", picture)},
        data={"model": model, "outputs": ["npy", "glb"]},
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    body, form, sizes = request.read(), _Form(boundary.encode(), 300), cycle(cuts)
    while body:
        size = next(sizes)
        form.parser.write(body[:size])
        body = body[size:]
    upload = form.upload()
    assert (upload.picture, upload.name) == (picture, "größe.png")
    assert upload.fields == (("model", model), ("outputs", "npy"), ("outputs", "glb"))


def test_the_longest_beginning_of_a_path_decides_how_long_a_body_may_be() -> None:
    limits = Limits({"/": 1, "/api/predict": 2, "/api/models/import": lambda: 3})
    paths = {"/": 1, "/api/models": 1, "/api/predict": 2, "/api/models/import": 3, "nothing": 1}
    assert {path: limits.of(path) for path in paths} == paths
