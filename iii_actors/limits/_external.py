"""Functions that are invoked over HTTP."""
