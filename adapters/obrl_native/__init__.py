"""Native code of obrl: C++ that is built on first use, on the machine that runs it, and kept."""
