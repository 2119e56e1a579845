"""`python -m helpers.check`."""

from __future__ import annotations

import sys

from helpers.check import main

sys.exit(main())
