"""Readers of label tables, one file a format; `open_tables` chooses among them."""
