"""Test that everything works here: the same as `depthmap doctor`."""

from depthmap.cli import main

if __name__ == "__main__":
    raise SystemExit(main(command="doctor", prog="test_enhanced_depth.py"))
