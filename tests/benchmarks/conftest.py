from __future__ import annotations

import sys
from pathlib import Path

# benchmarks/ is no part of the package: it is found from the root of the repository. This folder has no __init__.py,
# or it would be taken for it.
sys.path.insert(0, str(Path(__file__).parents[2]))
