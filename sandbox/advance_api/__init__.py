"""An emulator of ADVANCE's Face Comparison API: it measures how alike two pictures are or, if told to, two faces."""
