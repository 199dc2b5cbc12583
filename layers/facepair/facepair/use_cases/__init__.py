"""What is done, as prose: over the domain's values, and ports behind which AWS and the API stand."""
