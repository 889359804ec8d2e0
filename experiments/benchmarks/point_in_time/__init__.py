"""The point-in-time join measured: one world, several engines, each in a process of its own."""
