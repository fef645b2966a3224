"""What all tests share: a cache folder of their own."""

from __future__ import annotations

import os
import tempfile

# Set before anything asks for it, and inherited by the processes that tests start.
os.environ.setdefault("GEOFOUNDRY_CACHE", tempfile.mkdtemp(prefix="geofoundry-test-cache-"))
