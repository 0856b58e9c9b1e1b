#!/usr/bin/env bash
# Run a command, show what it prints, and put that into the summary of the job.
#
#   report.sh TITLE COMMAND [ARGUMENT...]
#
# Ends with the command's exit code. What it says on stderr is left out of the summary
# unless it failed.
set -euo pipefail

title=$1
shift
printed=$(mktemp)
said=$(mktemp)
trap 'rm -f "$printed" "$said"' EXIT

code=0
"$@" >"$printed" 2>"$said" || code=$?
cat "$printed"
cat "$said" >&2

{
  if [ "$code" = 0 ]; then
    echo "### $title: passed"
  else
    echo "### $title: failed"
    cat "$said" >>"$printed"
  fi
  echo
  # Five backticks: what is printed may hold three. A summary may have 1 MiB in all.
  echo '`````text'
  head -c 150000 "$printed"
  echo '`````'
  echo
} >>"$GITHUB_STEP_SUMMARY"

exit "$code"
