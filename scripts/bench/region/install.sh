#!/usr/bin/env bash
# Installs the peers of the bench, pinned, into a folder that is not committed; does nothing if they are there.
#
#   install.sh node|python FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kind=$1 folder=$2/$1
mkdir -p "$folder"
case $kind in
node) list=package.json ;;
python) list=requirements.txt ;;
*) echo "install.sh: node or python, not '$kind'" >&2; exit 2 ;;
esac
cp "$here"/*.mjs "$here"/*.py "$folder"
if [ ! -e "$folder/installed" ] || ! cmp -s "$here/$list" "$folder/installed"; then
    rm -f "$folder/installed"
    if [ "$kind" = node ]; then
        cp "$here/package.json" "$folder"
        (cd "$folder" && npm install --no-audit --no-fund --loglevel=error >&2)
    else
        python3 -m venv "$folder/venv"
        "$folder/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    fi
    cp "$here/$list" "$folder/installed"
fi
