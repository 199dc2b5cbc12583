"""Many pairs in a storm of faults drawn from a seed: nothing may be lost or paid twice."""
