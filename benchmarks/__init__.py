"""How fast depthmap is, beside the usual ways: ``make bench``, or ``python -m benchmarks --help``."""
