"""An emulator of ADVANCE's Face Comparison API: it compares two pictures or, with `--faces`, two faces."""
