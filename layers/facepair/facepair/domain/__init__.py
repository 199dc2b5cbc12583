"""What is true without any network: pure values and rules. They know nothing of AWS, HTTP or the use cases."""
