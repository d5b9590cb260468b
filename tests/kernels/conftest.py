import os

os.environ["TRITON_INTERPRET"] = "1"  # before the kernels are imported

from tests.support.profiles import load_profile

load_profile()
