"""vgPROJECT: the real-time server for autonomous software development."""
