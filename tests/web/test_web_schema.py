"""What the API's description allows is answered as it says, and what it does not is refused: never a 5xx by chance."""

from __future__ import annotations

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="it comes with the extra dev")
pytestmark = [pytest.mark.extra, pytest.mark.slow]
