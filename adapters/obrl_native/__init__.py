"""Native code of obrl: C++ that is compiled on first use, on the machine that runs it, and cached."""
