"""Sheets that somebody else made, CSV and XLSX: opened once, unpacked within bounds, read as rows of text."""
