"""What this image adds to antgent: one entry point, default settings, health checks."""
