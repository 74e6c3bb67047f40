"""Stand-ins: resource providers of ours for machines where the official plugins cannot be had."""
