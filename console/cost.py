"""What reading costs, in words."""

DOLLARS_PER_READ_UNIT = 0.125e-6
"""DynamoDB on demand, list price of us-east-1; a read unit is 8 KB, read eventually consistently."""
BYTES_PER_READ_UNIT = 8192


def told(read_units: float) -> str:
    """Read units and what they cost."""
    return f"{read_units:,.0f} read units, about US$ {read_units * DOLLARS_PER_READ_UNIT:.4f} at us-east-1's price"


def of_bytes(size: int) -> str:
    """The same of so many bytes that are read as a whole."""
    return told(size / BYTES_PER_READ_UNIT)
