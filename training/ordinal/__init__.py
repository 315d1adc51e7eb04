"""A test of the near and the far: pairs of points in everyday photos, marked by hand. See README.md."""
