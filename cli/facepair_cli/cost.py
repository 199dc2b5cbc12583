"""The price of DynamoDB reads, as text."""

DOLLARS_PER_READ_UNIT = 0.125e-6
"""On-demand list price in us-east-1 for an eventually consistent read of 8 KB."""
BYTES_PER_READ_UNIT = 8192
WORTH_SAYING = 0.01
"""In dollars; lower prices are omitted."""


def price(read_units: float) -> str:
    """Return `, about US$ 0.02 at us-east-1's price`, or "" below a cent."""
    dollars = read_units * DOLLARS_PER_READ_UNIT
    return f", about US$ {dollars:,.2f} at us-east-1's price" if dollars >= WORTH_SAYING else ""


def price_of_bytes(size: int) -> str:
    """Return the price of scanning so many bytes, as `price` does."""
    return price(size / BYTES_PER_READ_UNIT)
