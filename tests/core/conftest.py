from tests.support.profiles import load_profile

load_profile()
