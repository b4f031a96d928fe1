# Sourced by bin/lifeline and bin/test: makes .venv from a lock file, once.
#
#   prepare requirements.lock        # or requirements-test.lock, which contains the first
#
# A stamp in .venv remembers the checksum of what it was made from (lock, pyproject.toml, place, Python), so that a
# changed lock installs again and an unchanged one costs nothing. Concurrent runs wait for each other.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv

say() { printf 'lifeline: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

as_root_on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

apt_install() {  # quiet unless it fails
    local log; log=$(mktemp)
    if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1
    then rm -f "$log"; return 0; fi
    tail -n 5 "$log" >&2; rm -f "$log"; return 1
}

find_python() {  # prints the first Python 3.11+; 3.11 to 3.14 are the ones the lock is tried with
    local candidate
    for candidate in ${LIFELINE_PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"; return 0
        fi
    done
    return 1
}

make_venv() {
    local python=$1
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then  # Debian ships these apart
        if as_root_on_debian; then
            say "installing python3-venv (Debian ships it apart from Python)"
            apt_install python3-venv || fail "could not install python3-venv, try: apt-get install python3-venv"
        fi
        "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
            fail "$python cannot make virtual environments, try: sudo apt-get install python3-venv (or set LIFELINE_PYTHON)"
    fi
    "$python" -m venv --clear "$venv" || fail "could not make $venv with $python"
}

prepare() {
    local lock=$1 python made_from stamp started=$SECONDS
    stamp=$venv/.made-from-$lock
    made_from=$(cd "$root" && cat "$lock" pyproject.toml bin/prepare.sh | cksum; printf '%s' "$root")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$made_from" ] && [ -x "$venv/bin/python" ]; then return 0; fi
    [ -w "$root" ] || fail "$root is not writable for $(id -un), so .venv cannot be made there, try a clone of your own"

    if command -v flock >/dev/null 2>&1; then
        exec 9<"$root/bin/prepare.sh"
        flock -n 9 || { say "another run is preparing .venv, waiting for it"; flock 9; }
        if [ "$(cat "$stamp" 2>/dev/null)" = "$made_from" ] && [ -x "$venv/bin/python" ]; then exec 9<&-; return 0; fi
    fi
    if ! "$venv/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 ||
        [ "$(cat "$venv/.place" 2>/dev/null)" != "$root" ]; then
        python=$(find_python) || fail "Python 3.11 or newer is missing, try: sudo apt-get install python3 (Debian 12 or newer)"
        say "making .venv with $("$python" --version)"
        make_venv "$python"
        printf '%s' "$root" >"$venv/.place"
    fi
    rm -f "$venv"/.made-from-*
    say "installing $(grep -c == "$root/$lock") locked packages (once, about half a minute)"
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check -qq --no-input)
    "${pip[@]}" install --require-hashes --only-binary :all: -r "$root/$lock" ||
        fail "installing $lock failed (see above), try again once the package index can be reached"
    "${pip[@]}" install --no-deps --no-build-isolation --editable "$root" || fail "installing the project itself failed (see above)"
    printf '%s' "$made_from" >"$stamp"
    if [ "$lock" = requirements-test.lock ]; then  # it contains the other one, at the same versions
        (cd "$root" && { cat requirements.lock pyproject.toml bin/prepare.sh | cksum; printf '%s' "$root"; }) \
            >"$venv/.made-from-requirements.lock"
    fi
    say "prepared in $((SECONDS - started)) s"
    exec 9<&-
}
