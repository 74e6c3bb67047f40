"""Reusable components: each takes typed arguments, reads no config and no environment."""
