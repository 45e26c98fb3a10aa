"""What is measured beside an alternative: ``python -m benchmarks``; never part of the tests.

Scripts beside this package, which run on their own, import one another by their plain names.
"""

import sys
from pathlib import Path

_HERE = str(Path(__file__).parent)
if _HERE not in sys.path:
    sys.path.append(_HERE)
