#!/usr/bin/env bash
# Run a command, show what it prints, and put that into the summary of the job.
#
#   report.sh [--markdown] TITLE COMMAND [ARGUMENT...]
#
# With --markdown it prints Markdown, which the summary shows as that. Ends with the
# command's exit code. What it says on stderr is left out of the summary unless it failed.
set -euo pipefail

form=text
if [ "$1" = --markdown ]; then
  form=markdown
  shift
fi
title=$1
shift
printed=$(mktemp)
said=$(mktemp)
trap 'rm -f "$printed" "$said"' EXIT

# A summary may have 1 MiB in all.
start() {
  head -c 150000 "$1" | awk 1
}

# The fence is longer than any in the file, and each of its ends has a line of its own.
fenced() {
  local fence
  fence=$({ grep -ao '`\+' "$1" || :; } | awk '
    length >= n { n = length + 1 }
    BEGIN { n = 5 }
    END { while (n--) printf "`" }')
  echo "${fence}text"
  start "$1"
  echo "$fence"
}

code=0
"$@" >"$printed" 2>"$said" || code=$?
cat "$printed"
cat "$said" >&2

outcome=passed
[ "$code" = 0 ] || outcome=failed
{
  echo "## $title: $outcome"
  echo
  case $form:$outcome in
    text:failed) cat "$said" >>"$printed" && fenced "$printed" ;;
    text:*) fenced "$printed" ;;
    markdown:failed) start "$printed" && echo && fenced "$said" ;;
    markdown:*) start "$printed" ;;
  esac
  echo
} >>"$GITHUB_STEP_SUMMARY"

exit "$code"
