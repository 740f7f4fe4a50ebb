"""Where Chromium is, and how it is started."""

import os

CHROMIUM = "/usr/bin/chromium"
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
SHOTS = os.environ.get("SHOTS")
"""A folder: what the pages look like is written there."""
