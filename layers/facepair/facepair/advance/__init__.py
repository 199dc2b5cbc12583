"""The client of ADVANCE.AI's API. Imports nothing of AWS; knows no pairs or rows."""
