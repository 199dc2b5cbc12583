"""The page of a month: one file of HTML with its plots in it, which needs nothing else."""
