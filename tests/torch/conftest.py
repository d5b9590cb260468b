import os

from tests.support.profiles import load_profile

os.environ["TRITON_INTERPRET"] = "0"  # what runs here on a CPU is native code
load_profile()
