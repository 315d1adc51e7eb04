"""An old import name: see `midas`."""
