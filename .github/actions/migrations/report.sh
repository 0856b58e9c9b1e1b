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

outcome=passed
if [ "$code" != 0 ]; then
  outcome=failed
  cat "$said" >>"$printed"
fi
# The fence is longer than any that is printed, and each of its ends has a line of its own.
fence=$({ grep -ao '`\+' "$printed" || :; } | awk '
  length >= n { n = length + 1 }
  BEGIN { n = 5 }
  END { while (n--) printf "`" }')
{
  echo "### $title: $outcome"
  echo
  echo "${fence}text"
  head -c 150000 "$printed" | awk 1 # a summary may have 1 MiB in all
  echo "$fence"
  echo
} >>"$GITHUB_STEP_SUMMARY"

exit "$code"
