"""``python -m sksubsel`` is the ``sksubsel`` command."""

import sys

from sksubsel.cli import main

sys.exit(main())
