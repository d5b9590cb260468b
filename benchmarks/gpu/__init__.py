"""`make gpu`: the parity suite on a CUDA device, then the device times of a step beside its peers and its floors."""
