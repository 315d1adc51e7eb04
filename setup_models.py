"""Fetch models: the same as `depthmap setup`."""

from depthmap.cli import main

if __name__ == "__main__":
    raise SystemExit(main(command="setup", prog="setup_models.py"))
