"""The web app on http://127.0.0.1:5000: the same as `depthmap serve`."""

from depthmap.cli import main

if __name__ == "__main__":
    raise SystemExit(main(command="serve", prog="app.py"))
