"""An emulator of ADVANCE's Face Comparison API that measures the likeness of two pictures and recognises nobody."""
