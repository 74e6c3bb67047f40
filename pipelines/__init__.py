"""What CI's workflows call: previews with their comments, plans, deploys, drift, short-lived environments.

Each command is `python -m pipelines …`, and does on a laptop what it does in CI: where there is no GitHub, it
prints what it would have posted.
"""
