"""What operators run on their own machine, with the credentials of their shell. Never part of a layer."""
