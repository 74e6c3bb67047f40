"""The whole cloud on one machine: engine, Docker, registry, Temporal and, per runtime, a cluster."""
