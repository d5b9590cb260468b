from tests.support.interpreter import interpret
from tests.support.profiles import load_profile

interpret()
load_profile()
