"""Sphinx's settings.

Build with ``tox -e docs``, or after ``pip install -e ".[docs]"`` with

    sphinx-build -W -n docs docs/_build/html

Nothing is fetched while building (a reader's browser fetches MathJax). The examples run one after
the other, so that no two trainings are made side by side.
"""

import os
import pathlib
import shutil

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small trainings are quicker so

from sklearn.experimental import enable_halving_search_cv  # noqa: F401  an example has it
from sphinx.ext import autosummary

import sksubsel

# Else pages of names that are gone would stay.
shutil.rmtree(pathlib.Path(__file__).parent / "api" / "generated", ignore_errors=True)

project = "sksubsel"
author = "The sksubsel developers"
copyright = "The sksubsel developers, BSD 3-Clause"
version = release = sksubsel.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "gallery/*.ipynb", "gallery/*.py"]
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4

# `X` in a docstring becomes a link where it names something of ours, else it stays as it is.
default_role = "py:obj"
nitpick_ignore_regex = [("py:obj", ".*"), ("py:.*", r"(sklearn|skorch|torch|numpy|joblib)\..*")]

autosummary_generate = True
autosummary.WELL_KNOWN_ABBREVIATIONS += ("Eq.",)  # no summary ends there
autodoc_typehints = "none"  # numpydoc's sections say more
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template lists them
numpydoc_use_plots = False

html_theme = "pydata_sphinx_theme"
html_title = "sksubsel"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {"changelog": [], "start": []}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "sksubsel"},
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "secondary_sidebar_items": ["page-toc"],
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/\w+\.py$",
    "within_subsection_order": "ExampleTitleSortKey",
    "doc_module": ("sksubsel",),
    "reference_url": {"sksubsel": None},
    "backreferences_dir": "gallery/backreferences",
    "show_signature": False,
    "capture_repr": (),  # what is printed and drawn, and no <object at 0x...>
    "download_all_examples": False,
    "remove_config_comments": True,
    "write_computation_times": False,  # a page with scripts from elsewhere
}


def _skip_member(app, what, name, obj, skip, options):
    """Leave out what scikit-learn makes for each class, such as ``set_fit_request``."""
    if name in ("get_metadata_routing", "set_output") or (
        name.startswith("set_") and name.endswith("_request")
    ):
        return True
    return None  # as it would be


def setup(app):
    """What Sphinx calls."""
    app.connect("autodoc-skip-member", _skip_member)
