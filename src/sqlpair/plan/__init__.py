"""The dry run: what is pending, run for real and rolled back.

dry_run    all databases, one by one, under the deployment locks
run        one of them, in one transaction
losses     what a migration, or its rollback, deletes
limit      no strong lock is held longer than ``plan_lock_limit``
report     what came of it
checklist  the pre-migration checklist, each line answered
"""
