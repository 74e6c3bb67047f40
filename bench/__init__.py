"""Figures: what a release costs here, beside a flat program and beside kubectl."""
