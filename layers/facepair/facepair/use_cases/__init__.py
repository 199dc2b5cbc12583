"""Use cases: what the system does, in terms of domain values and of ports to AWS and the API."""
