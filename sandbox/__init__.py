"""The local cloud: AWS by moto's server, an emulator of the ADVANCE API, a Lambda host and sample portraits."""
