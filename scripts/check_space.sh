#!/usr/bin/env bash
# Check a clone as Hugging Face Spaces would build it: front matter and sizes, `pip install -r requirements.txt` in an
# empty environment before the rest is copied, then `python app.py`. Needs a network for the installation.
#
#   scripts/check_space.sh [FOLDER]     TORCH_ARGS="--index-url https://download.pytorch.org/whl/cpu" takes the CPU build
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"
python="${PYTHON:-python3}"
port="${PORT:-7861}"
work=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT

echo "== front matter"
"$python" - <<'PY'
import re, sys
from pathlib import Path

head = Path("README.md").read_text(encoding="utf-8").split("---\n")[1]
found = dict(re.findall(r"^(\w+): *(.+)$", head, flags=re.M))
colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
wrong = [key for key in ("title", "emoji", "sdk", "sdk_version", "app_file", "license") if key not in found]
wrong += [key for key in ("colorFrom", "colorTo") if found.get(key) not in colours]
wrong += ["short_description is longer than 60"] if len(found.get("short_description", "")) > 60 else []
wrong += ["app_file is not there"] if not Path(found.get("app_file", "")).is_file() else []
sys.exit(f"front matter: {', '.join(wrong)}" if wrong else 0)
PY

echo "== sizes"
# A file of more than 10 MB needs Git LFS on the Hub; a Space has 1 GB.
large=$(git ls-files -z | xargs -0 du -b | awk '$1 > 10 * 1024 * 1024 { print $2 }')
[ -z "$large" ] || { echo "larger than 10 MB without LFS: $large" >&2; exit 1; }
total=$(git ls-files -z | xargs -0 du -bc | awk 'END { print $1 }')
echo "   $((total / 1024)) KiB in all"
[ "$total" -lt $((1024 * 1024 * 1024)) ]

echo "== pip install -r requirements.txt"
mkdir "$work/requirements"
cp requirements.txt "$work/requirements/"
"$python" -m venv "$work/env"
(
    cd "$work/requirements"
    # shellcheck disable=SC2086
    [ -z "${TORCH_ARGS:-}" ] || "$work/env/bin/python" -m pip install -qq $TORCH_ARGS torch
    "$work/env/bin/python" -m pip install -qq -r requirements.txt
)

echo "== python app.py"
mkdir "$work/app"
git ls-files -z | xargs -0 cp --parents -t "$work/app"
(
    cd "$work/app"
    SPACE_ID=check/space GRADIO_SERVER_NAME=127.0.0.1 GRADIO_SERVER_PORT=$port GAPRUNE_VIZ_WORKSPACE="$work/workspace" \
        exec "$work/env/bin/python" app.py
) >"$work/log" 2>&1 &
server=$!
for _ in $(seq 120); do
    if page=$("$python" -c "import urllib.request as u; print(u.urlopen('http://127.0.0.1:$port/config', timeout=5).status)" 2>/dev/null); then
        echo "   the page answers: $page"
        exit 0
    fi
    kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 1
done
cat "$work/log" >&2
echo "the page did not answer in two minutes" >&2
exit 1
