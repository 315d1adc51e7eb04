"""Close-ups: what fills the frame, before real and made-up backgrounds. Needs NumPy and Pillow alone."""
