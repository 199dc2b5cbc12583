"""Measurements that `make bench` runs and prints."""
