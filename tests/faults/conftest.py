"""The ledger of a session, the fork server, and a place to break things in."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from support import FileServer

from . import shim
from .downloading import Network
from .forking import ForkServer
from .ledger import Ledger
from .places import Place, write_foreign
from .sweep import spread

_LEDGER = pytest.StashKey[Ledger]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--faults-full", action="store_true", help="inject at every boundary, not at a sample")
    group.addoption("--faults-report", type=Path, help="write the ledger as JSON to this file, and print it")
    group.addoption(
        "--faults-page", type=Path, help="put the ledger's table between the markers of this page"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEDGER] = Ledger()
    config.addinivalue_line("markers", "sampled(n): n of a test's cases are run, all with --faults-full")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--faults-full", False):
        return
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sampled"):
            cases.setdefault(item.nodeid.split("[")[0], []).append(item)
    left_out = {
        item
        for group in cases.values()
        for item in set(group) - set(spread(group, group[0].get_closest_marker("sampled").args[0]))
    }
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    book = config.stash[_LEDGER]
    if report := config.getoption("--faults-report", None):
        book.write(report)
        terminalreporter.section("faults")
        terminalreporter.write_line(book.table())
    if page := config.getoption("--faults-page", None):
        book.show_in(page)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail a test whose injections lost something, after all of them were tried."""
    book = pyfuncitem.config.stash[_LEDGER]
    before = len(book.lost)
    result = yield
    if lost := book.lost[before:]:
        pytest.fail(f"{len(lost)} lost\n" + "\n".join(lost), pytrace=False)
    return result


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    """Count injections: ``with ledger.injection(row, what): ...``."""
    return pytestconfig.stash[_LEDGER]


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    """Whether every boundary is wanted, not a sample."""
    return bool(pytestconfig.getoption("--faults-full", False))


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that others may enter, in memory where there is room: syncs cost nothing there."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="depthmap-faults-", dir=memory if memory.is_dir() else tmp_path_factory.getbasetemp()
    ) as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


@pytest.fixture(scope="session")
def forks(ground: Path) -> Iterator[ForkServer]:
    """The server that forks a child for each injection."""
    if why := shim.missing():
        pytest.skip(why)
    server = ForkServer(shim.build(ground), ground / "stderr")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def place(ground: Path, forks: ForkServer, tiny_checkpoint: Path) -> Place:
    """A catalogue, its mirror, and templates of caches."""
    return Place(ground, forks, tiny_checkpoint)


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """A checkpoint as somebody else publishes it: it has to be converted."""
    path = tmp_path_factory.mktemp("foreign") / "published.safetensors"
    write_foreign(tiny_checkpoint, path)
    return path


@pytest.fixture(params=["pt", pytest.param("safetensors", marks=pytest.mark.slow)])
def network(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Network]:
    """Servers of a model whose file is a ``.pt``, or one that has to be converted after it has come."""
    foreign = request.getfixturevalue("foreign") if request.param == "safetensors" else None
    network = Network(tmp_path, monkeypatch, foreign)
    yield network
    network.stop()


@pytest.fixture
def web(place: Place, serve: Callable[[Path], FileServer]) -> FileServer:
    """The mirror as an HTTP server that notes what was asked."""
    return serve(place.mirror)
