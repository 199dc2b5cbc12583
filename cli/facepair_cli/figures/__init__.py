"""A month's report as one self-contained HTML file, and `whatif`."""
