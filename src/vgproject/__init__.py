"""vgPROJECT: the real-time server for autonomous software development."""

__version__ = "0.1.0"
