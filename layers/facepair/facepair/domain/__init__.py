"""Values and rules, without I/O. Imports neither AWS, HTTP nor use cases."""
