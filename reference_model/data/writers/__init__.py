"""Writers of data sets, one file a format: each takes a catalogue and writes what the reader of its name reads."""
