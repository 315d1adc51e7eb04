"""Does depthmap work on a GPU, and how fast? See ``__main__``."""
