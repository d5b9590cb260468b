"""Sphinx configuration; `make docs` builds the site, and a warning is an error."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "ext"))

import obrl
import obrl.torch.lightning  # before TensorFlow: it imports Triton, and the other order ends the process

project = "obrl"
author = "The obrl developers"
copyright = "The obrl developers"
version = release = obrl.__version__

# Not intersphinx, which fetches the inventories of other projects: the build needs no network, and links to them are
# addresses. Not sphinx.ext.doctest: tests/project/test_examples.py runs all examples.
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "keras_backends",
    "mathml",
    "coverage_check",
    "docstrings",
]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = False  # plain code in a docstring has the default role too, and would count as a missing name
default_role = "py:obj"  # a name in a docstring leads to its entry; another word is shown as code

# A page with Jupytext's header runs when the site is built, in an empty folder and in a kernel of its own, so that
# frameworks do not meet. An error, or anything on the standard error, is a warning and fails the build. Nothing is
# cached: a cache knows a page by its text, and would show what an older obrl printed.
os.environ["JUPYTER_PATH"] = str(Path(__file__).parent / "ext" / "jupyter")  # a kernel that prints errors only
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "warn"
nb_ipywidgets_js = {}  # the scripts would come from another host

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
    "obrl.torch.transformers",
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
html_show_search_summary = False  # a page from the disk may not read the text of others
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["keyboard.js"]
pygments_dark_style = "github-dark"

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"
