"""`python -m helpers.semantics`."""

from __future__ import annotations

import sys

from helpers.semantics import main

sys.exit(main())
