"""The dry run: what is pending, run for real and rolled back.

observed   what a driver sees of one statement: time, rows, locks, rewrites
limit      no strong lock is held longer than ``plan_lock_limit``
losses     what a rollback takes with it
run        one database, in one transaction
dry_run    all of them, one by one, under the deployment locks
found      what came of it
checklist  the pre-migration checklist, each line answered
"""
