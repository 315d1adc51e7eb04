"""Look after the cached models: `python manage_models.py X` is `depthmap models X`."""

from depthmap.cli import main

if __name__ == "__main__":
    raise SystemExit(main(command="models", prog="manage_models.py"))
