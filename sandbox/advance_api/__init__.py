"""An emulator of ADVANCE's Face Comparison API. It compares two pictures or, with `--faces`, two faces."""
