"""`make gpu`: runs the parity suite on a CUDA device, then times a step there beside its peers and its floors."""
