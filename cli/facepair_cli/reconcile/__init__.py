"""An invoice, the ledger, and both side by side: what `facepair reconcile` is made of."""
