"""Compare an invoice with the ledger."""
