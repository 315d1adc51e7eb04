"""What the API's description allows is answered as it says, and what it does not is refused: never a 5xx by chance."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from depthmap.settings import Settings

from .conftest import MODEL, WebServer
from .uploading import PREDICT, picture

schemathesis = pytest.importorskip("schemathesis", reason="it comes with the extra dev")
from schemathesis.core.failures import FailureGroup  # noqa: E402 - after it is known to be there

pytestmark = [pytest.mark.extra, pytest.mark.slow, pytest.mark.timeout(1800)]

MEANT = {("/api/readyz", 503), (PREDICT, 501)}
"""Answers of 500 and above that are no fault: a model that is not ready, a package that is not installed."""
PICTURES = [picture(kind=kind) for kind in ("PNG", "JPEG", "WEBP")]
EXAMPLES = 40
ELSEWHERE = [
    schemathesis.checks.not_a_server_error,  # below, but for those that are meant
    schemathesis.checks.positive_data_acceptance,  # no schema says that points contradict a picture
]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory, stocked: Path) -> Iterator[WebServer]:
    """A server whose cache may be cleared."""
    root = tmp_path_factory.mktemp("described")
    shutil.copytree(stocked, root / "cache")
    (root / "exports").mkdir()
    server = WebServer(Settings(cache_dir=root / "cache", export_dir=root / "exports", offline=True))
    yield server
    server.stop()


def with_a_picture(case: Any) -> None:
    """Put a real picture where random bytes were to stand for one, and a model that is here, as often as not."""
    if case.path != PREDICT:
        return
    if isinstance(case.body, bytes):
        case.body = instead(case.body)
    elif isinstance(case.body, dict) and isinstance(case.body.get("image"), bytes):
        case.body = {**case.body, "image": instead(case.body["image"])}
    for options in (case.query, case.body):
        if isinstance(options, dict) and len(str(options.get("model", "x"))) % 2 == 0:
            options["model"] = MODEL


def instead(data: bytes) -> bytes:
    return data if len(data) % 2 else PICTURES[len(data) % len(PICTURES)]


def test_every_operation_answers_as_it_is_described(described: WebServer) -> None:
    description = schemathesis.openapi.from_url(f"{described.url}/openapi.json")
    wrong = {}
    for operation in (found.ok() for found in description.get_all_operations()):
        if operation.path.endswith("/events"):  # a stream without end: test_web_downloads reads it
            continue
        try:
            attack(operation, schemathesis.GenerationMode.POSITIVE)
            attack(operation, schemathesis.GenerationMode.NEGATIVE)
        except (Exception, FailureGroup) as error:
            wrong[operation.label] = f"{type(error).__name__}: {error}"
    assert not wrong, "\n\n".join(f"{label}: {what}" for label, what in wrong.items())
    figures = described.client.get("/api/metrics").text
    for status in (200, 415, 422):
        assert f'depthmap_predictions_total{{status="{status}"}}' in figures, (
            "not all of it was refused, nor taken"
        )


def attack(operation: Any, mode: Any) -> None:
    """Send what an operation's description allows, or what it does not."""

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None, database=None)
    def each(case: Any) -> None:
        with_a_picture(case)
        reply = case.call(timeout=60)
        case.validate_response(reply, excluded_checks=ELSEWHERE)
        assert reply.status_code < 500 or (case.path, reply.status_code) in MEANT, reply.text

    with suppress(Unsatisfiable):  # what takes nothing has nothing that it does not take
        each()
