#!/usr/bin/env bash
# The README's test command where people really are: a new clone in a folder with spaces and Korean letters, an
# environment made there, an empty home, a user without rights, hashes in an order of their own, and no network but the
# machine itself. Before the network is cut, the package is installed alone in one more environment.
#
#   tests/anywhere.sh                     with the newest versions that settings.ini allows
#   tests/anywhere.sh --lowest            with the lowest; run this before a release
#   tests/anywhere.sh --machines all      on each machine of tests/machines.txt in turn, installed once; this, too
#   tests/anywhere.sh --machines 'A B'    on the machines A and B
#
# Needs Linux and root (to become another user and to cut the network), git, make, iproute2, util-linux and a Python that
# every user can run (PYTHON=...). The clone is left behind only if something failed.
set -euo pipefail
cd "$(dirname "$0")/.."
lowest= machines=here
while [ $# -gt 0 ]; do
  case $1 in
    --lowest) lowest=1 ;;
    --machines) machines=${2:?Name the machines, or all}; shift ;;
    *) sed -n '5,9s/^# *//p' "$0" >&2; exit 2 ;;
  esac
  shift
done
known=$(grep -v '^#' tests/machines.txt | cut -d' ' -f1)
if [ "$machines" = all ]; then machines=$known; fi
for m in $machines; do
  [ "$m" = here ] || grep -q "^$m " tests/machines.txt || { echo "No machine $m in tests/machines.txt, but:" $known >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo 'Run this as root: it becomes another user, and cuts the network for the tests.' >&2; exit 2; }

nobody=65534
base=$(mktemp -d); chmod 755 "$base"
place="$base/숫자 배우기/fastbook ch4" home="$base/빈 집"
mkdir -p "$(dirname "$place")" "$home"
git clone --quiet . "$place"
chown -R $nobody:$nobody "$base"

# its own user, an empty home, and none of our data
as_user() { setpriv --reuid=$nobody --regid=$nobody --clear-groups env -u FASTAI_HOME HOME="$home" USER=nobody "$@"; }
python=
for candidate in "${PYTHON:-python3}" /usr/bin/python3; do
  if as_user "$candidate" -c 'import sys,venv,ensurepip; sys.exit(sys.version_info < (3,11))' 2>/dev/null; then python=$candidate; break; fi
done
[ -n "$python" ] || { echo 'No Python of at least 3.11 with venv can be run by every user. Name one with PYTHON=...' >&2; exit 2; }

cd "$place"
if [ -n "$lowest" ]; then
  as_user "$python" -m venv "$base/uv" && as_user "$base/uv/bin/python" -m pip install --quiet uv
  as_user "$base/uv/bin/uv" pip compile --quiet --resolution lowest-direct --extra dev setup.py -o "$base/lowest.txt"
  export PIP_CONSTRAINT="$base/lowest.txt" UV_CONSTRAINT="$base/lowest.txt"
fi
as_user make install PYTHON="$python" > "$base/install.log" 2>&1 || { tail -n 30 "$base/install.log"; exit 1; }

echo 'The package and what it requires at run time, alone in a new environment'
as_user .venv/bin/python -m pytest -q tests/test_plain_install.py

export PYTHONHASHSEED=$((RANDOM + 1))
echo "As user $nobody in $place, without a network, PYTHONHASHSEED=$PYTHONHASHSEED"
export -f as_user
export nobody home python
failed=
for m in $machines; do
  env=$(sed -n "s/^$m //p" tests/machines.txt)
  echo "On the machine '$m'" $env
  env $env unshare --net bash -c 'ip link set lo up && as_user make test PYTHON="$python"' || failed="$failed $m"
done
[ -z "$failed" ] || { echo "Failed on:$failed" >&2; exit 1; }
left=$(find "$home" -mindepth 1 -maxdepth 1 -printf '%f ')
echo "In the home that was empty there is now: ${left:-nothing}"
rm -rf "$base"
