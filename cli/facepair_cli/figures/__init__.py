"""The report of a month: one self-contained HTML file."""
