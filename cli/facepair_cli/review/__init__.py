"""The review page: served on this machine to one browser, while it is open."""
