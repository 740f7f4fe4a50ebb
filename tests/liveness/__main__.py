"""`python -m tests.liveness`: the promise in its long form, half an hour on two cores. Words are given on to pytest.

python -m tests.liveness -k skew      # 24,000 records under one key, 100,000 orphans of one case
"""

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    long_form = ["-p", "tests.liveness.long", "-o", "timeout=1800"]
    sys.exit(pytest.main([str(Path(__file__).parent), *long_form, *sys.argv[1:]]))
