"""Sphinx configuration; `make docs` builds the site, and a warning is an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "ext"))

import obrl
import obrl.torch.lightning  # before TensorFlow: it imports Triton, and the other order ends the process

project = "obrl"
author = "The obrl developers"
copyright = "The obrl developers"
version = release = obrl.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "coverage_check",
]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings state shapes and dtypes, which the hints cannot
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # fields of named tuples are documented once, with their class

# Modules whose public names (`__all__`) and their public members must all be in the API reference.
public_modules = [
    "obrl",
    "obrl.mining",
    "obrl.report",
    "obrl.monitor",
    "obrl.torch",
    "obrl.torch.lightning",
    "obrl.jax",
    "obrl.keras",
    "obrl.tensorflow",
    "obrl.spec",
    "reference_model.nets",
    "reference_model.data.synthetic",
]

html_theme = "furo"
html_title = f"obrl {release}"
html_copy_source = False
html_show_sourcelink = False
