"""One model, its servers, and a cache that downloads it: what the tests of hostile servers share."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

import certifi
import pytest

from depthmap.cache import ModelCache
from depthmap.errors import DepthmapError, DownloadError
from depthmap.formats.arrays import map_arrays
from support import sha256, write_catalog

from .servers import MIB, Fault, HostileServer, answers, truncated

_SIZE = 5 * MIB + 54_321  # some leaves, and a shorter one
_NETWORK = {
    "network": "depthmap_tiny",
    "input_size": 256,
    "resize": "upper_bound",
    "mean": [0.5] * 3,
    "std": [0.5] * 3,
}


@cache
def _content() -> bytes:
    return random.Random(0).randbytes(_SIZE)  # a download does not mind what bytes mean


def _one_certificate(path: Path) -> Path:
    text = Path(certifi.where()).read_text(encoding="utf-8")
    end = "-----END CERTIFICATE-----"
    path.write_text(text.split(end)[0] + end + "\n", encoding="utf-8")
    return path


def require_same_tensors(foreign: Path, converted: Path) -> None:
    """Require each tensor of a file that `places.write_foreign` made, bit for bit, and no other."""
    theirs = {name.removeprefix("model."): array for name, array in map_arrays(foreign).items()}
    ours = map_arrays(converted)
    assert ours.keys() == theirs.keys()
    assert all(ours[name].values.tobytes() == array.values.tobytes() for name, array in theirs.items())


class Network:
    """Servers on loopback that have the published file of a model, and an empty cache that knows of them.

    Mirrors are asked in the order in which they were made, then the official server. The file is a ``.pt`` of random
    bytes, or ``foreign``: a checkpoint that has to be converted.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, foreign: Path | None = None) -> None:
        self.folder = folder
        self.published = foreign or folder / "published.pt"
        if not foreign:
            self.published.write_bytes(_content())
        self.size = self.published.stat().st_size
        self.sha256 = sha256(self.published)
        self.path = f"v1/small{self.published.suffix}"
        self.monkeypatch = monkeypatch
        self.base = "http://127.0.0.1:9/"  # until there is an official server: nobody listens there
        self.mirrors: list[str] = []
        self.servers: list[HostileServer] = []
        monkeypatch.delenv("DEPTHMAP_OFFLINE", raising=False)
        # Reading the certificates of the world's authorities takes longer than a download here.
        monkeypatch.setenv("SSL_CERT_FILE", str(_one_certificate(folder / "authority.pem")))
        monkeypatch.setenv("DEPTHMAP_RETRIES", "0")
        monkeypatch.setenv("DEPTHMAP_TIMEOUT", "10")

    def set(self, **settings: object) -> None:
        """Set variables of the environment: ``retries=2`` is DEPTHMAP_RETRIES."""
        for name, value in settings.items():
            self.monkeypatch.setenv(f"DEPTHMAP_{name.upper()}", str(value))

    def server(self, *faults: Fault) -> HostileServer:
        """Start a server that depthmap is not told of."""
        self.servers.append(HostileServer(self.published, *faults, name=self.path))
        return self.servers[-1]

    def official(self, *faults: Fault) -> HostileServer:
        """Start the server of the catalogue's URL."""
        server = self.server(*faults)
        self.base = server.url
        return server

    def mirror(self, *faults: Fault) -> HostileServer:
        """Start a mirror."""
        server = self.server(*faults)
        self.mirrors.append(server.url)
        return server

    def interrupted(self, cut: int, *faults: Fault) -> HostileServer:
        """Start the official server, and let it break off a first run after so many bytes."""
        official = self.official(truncated(cut).only(1), answers(404).after(1), *faults)
        self.fails()
        official.heal()
        return official

    def at(self, position: int) -> int:
        """Return a position in the file; a negative one counts from its end."""
        return position if position >= 0 else self.size + position

    def cache(self) -> ModelCache:
        """Return the cache as a fresh process would see it."""
        path = self.folder / "catalog.json"
        write_catalog(path, Small=self.published)
        catalog = json.loads(path.read_text())
        catalog["models"][0] |= {**_NETWORK, "base": self.base, "path": self.path}
        path.write_text(json.dumps(catalog))
        self.set(catalog=path, mirrors=",".join(self.mirrors))
        return ModelCache()

    def fetch(self) -> None:
        """Download the model; it must be whole, and nothing else may be left."""
        cache = self.cache()
        path = cache.download("small", ["pt"])["pt"]
        assert cache.detail("small")["provenance"]["sha256"] == self.sha256
        if self.published.suffix == ".pt":
            assert sha256(path) == self.sha256
        else:
            require_same_tensors(self.published, path)
        assert sorted(p.name for p in cache.cache_dir.iterdir() if p.name.startswith("midas_")) == [
            "midas_small.pkl",
            "midas_small.pt",
        ]
        assert list((cache.cache_dir / ".partial").iterdir()) == []

    def fails(self, kind: type[DownloadError] = DownloadError, words: str | None = None) -> DepthmapError:
        """Download the model in vain; the error must name the model and the remedy, and nothing may look whole."""
        cache = self.cache()
        with pytest.raises(kind, match=words) as caught:
            cache.download("small", ["pt"])
        assert caught.value.where == "Small"
        assert "DEPTHMAP_MIRRORS" in caught.value.remedy
        assert not cache.is_cached("small")
        assert [p.name for p in cache.cache_dir.iterdir() if p.name.startswith("midas_")] == []
        return caught.value

    def fetch_or_fail(self) -> bool:
        """Download the model; return whether it came. Whatever else happens is wrong."""
        try:
            self.fetch()
        except DownloadError:
            assert not self.cache().is_cached("small")
            return False
        return True

    def stop(self) -> None:
        """End all servers."""
        for server in self.servers:
            server.stop()
