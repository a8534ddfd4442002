# Sourced by the commands of this folder, which set `usage` first.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# For every Python program that a command starts.
export PYTHONPATH="$root/scripts" PYTHONDONTWRITEBYTECODE=1

# Prints the usage and ends the command if one of the arguments requests help.
help_on_request() {
  local argument
  for argument in "$@"; do
    case "$argument" in
      -h|--help) printf '%s\n' "$usage"; exit 0 ;;
    esac
  done
}

# Ends the command because of its arguments.
reject_arguments() {
  printf '%s\n' "$usage" >&2
  exit 2
}

# Sets the variables of the local stack, which must be running.
load_stack_variables() {
  local variables
  variables="$("$root/scripts/stack" env)"
  eval "$variables"
}

# Starts the local stack and sets its variables.
start_stack() {
  "$root/scripts/stack" up
  load_stack_variables
}

# Replaces this process by a module of this folder.
exec_module() {
  exec "$root/.venv/bin/python" -m "$@"
}
