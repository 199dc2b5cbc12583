"""Many pairs through a storm of faults, drawn from a seed; afterwards nothing may be lost, and nothing paid twice."""
