"""The page on which a person decides manual checks: served on this machine, to one browser, as long as it is open."""
