"""Mining with Dask: rows of a table mined where they lie, and merged in order."""
