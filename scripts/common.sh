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

# Installs the packages of a lock file in a virtual environment of their own, unless they are there.
install_locked() {
  local lock="$1" folder="$2" wanted
  wanted="$(sha256sum <"$root/$lock")"
  if [[ "$(cat "$folder/.installed-from" 2>/dev/null)" != "$wanted" ]]; then
    echo "installing $lock in ${folder#"$root/"}"
    "$root/.venv/bin/python" -m venv --clear "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-compile --require-hashes \
      --only-binary :all: -r "$root/$lock"
    echo "$wanted" >"$folder/.installed-from"
  fi
}

# Installs the packages of a lock file, without what they depend on, in a folder, unless they are there.
install_in_folder() {
  local lock="$1" folder="$2" wanted
  wanted="$(sha256sum <"$root/$lock")"
  if [[ "$(cat "$folder/.installed-from" 2>/dev/null)" != "$wanted" ]]; then
    echo "installing $lock in ${folder#"$root/"}"
    rm -rf "$folder"
    "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes \
      --only-binary :all: --target "$folder" -r "$root/$lock"
    echo "$wanted" >"$folder/.installed-from"
  fi
}
