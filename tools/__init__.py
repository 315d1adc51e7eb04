"""What makes files of the package that are not written by hand."""
