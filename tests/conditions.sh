#!/bin/sh
# make test-conditions: the tests again, under what differs between two machines. Each
# run has an order of its own and says how to have it again. Ends with the first that
# fails.
set -eu
cd "$(dirname "$0")/.."

conditions() { # what to run
  printf '\n== %s, umask %s: %s\n' "$(id -un)" "$(umask)" "$*" >&2
  env "$@"
}

# What one narrow and one wide terminal show, in no locale and far from UTC.
umask 077
conditions COLUMNS=60 LC_ALL=C TZ=Asia/Kathmandu .venv/bin/pytest -n auto

# As another user, who starts from a fresh clone.
if [ "$(id -u)" = 0 ]; then
  umask 022
  copy=$(mktemp -d)
  trap 'rm -rf "$copy"' EXIT
  git clone -q . "$copy/clone"
  chown -R nobody "$copy"
  (
    cd "$copy/clone"
    umask 002
    conditions COLUMNS=200 LANG=C TZ=America/St_Johns HOME="$copy" \
      setpriv --reuid nobody --regid nogroup --clear-groups make test
  )
fi

# On each PostgreSQL that is installed. The description of a schema is tested on the
# newest alone.
for programs in /usr/lib/postgresql/*/bin ${POSTGRESQL:-}; do
  if [ -x "$programs/postgres" ]; then
    conditions TEST_POSTGRESQL="$programs" .venv/bin/pytest -n auto \
      --ignore tests/databases/test_catalog_postgresql.py
  fi
done
