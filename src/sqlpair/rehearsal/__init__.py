"""A rehearsal: what is pending, run for real and rolled back.

observed   what a driver sees of one statement: time, rows, locks, rewrites
limit      no strong lock is held longer than ``plan_lock_limit``
rehearse   the run, database by database, under the deployment locks
checklist  the pre-migration checklist, each line answered
"""
