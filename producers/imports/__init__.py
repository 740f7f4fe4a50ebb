"""What comes in files, sheets, databases and on paper: read, checked, published, and what cannot be is in a list."""
