"""`ship`, the operator's command line: status, release, promote, rollback, verify, history, unlock.

It drives the real `pulumi` and keeps nothing of its own: stack config and stack state are the only truth, so
that `ship` and plain `pulumi` can be mixed freely.
"""
