"""The whole story on this machine, told step by step: `make demo`."""
