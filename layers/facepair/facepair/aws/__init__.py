"""Adapters: one small class per AWS resource, which translates AWS errors into domain errors."""
