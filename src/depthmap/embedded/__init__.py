"""The embedded model: weights that ship in the package; see docs/embedded-model.md."""
