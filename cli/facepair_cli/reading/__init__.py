"""Read rows, pairs and the state of the stack."""
