"""An old import name: see `model_manager`."""
