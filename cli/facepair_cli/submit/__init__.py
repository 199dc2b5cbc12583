"""Pairs on this machine, checked, sent and followed: what `facepair submit` is made of."""
