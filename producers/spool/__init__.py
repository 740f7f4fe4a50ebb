"""The spool (`design.md`, 5): what was accepted lies on this disk before anybody is told so, and stays until it is acknowledged."""
