"""Tests of reading, decoding, varying and drawing faces."""
