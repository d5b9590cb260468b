#!/usr/bin/env bash
# Build the wheel from the repository's files, and use it in a fresh environment, from a folder outside the checkout.
# PYTHON names an interpreter that has `build`; pins come from constraints.txt.
set -euo pipefail
unset PYTHONPATH

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
python="$(command -v "${PYTHON:-python3.11}")"
[[ "$python" = /* ]] || python="$PWD/$python"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

step() { printf '== %s (%ss)\n' "$1" "$SECONDS"; }

step "build the wheel from a copy of the sources"
mkdir "$work/source" "$work/outside"
(cd "$root" && git ls-files -z --cached --others --exclude-standard \
  | while IFS= read -r -d '' name; do [[ -f "$name" ]] && printf '%s\0' "$name"; done \
  | tar --create --null --files-from=- --file=-) | tar --extract --file=- --directory="$work/source"
"$python" -m build --wheel --outdir "$work/dist" "$work/source" >"$work/build.log" 2>&1 \
  || { cat "$work/build.log"; exit 1; }
wheel="$(ls "$work"/dist/*.whl)"
"$python" "$root/tests/wheel/check_contents.py" "$wheel" "$work/source"

step "install it alone: with it comes NumPy and nothing else"
"$python" -m venv "$work/venv"
fresh="$work/venv/bin/python"
"$fresh" -m pip install --quiet --no-compile --constraint "$root/constraints.txt" "$wheel"
"$fresh" "$root/tests/wheel/check_installed.py" obrl numpy
cd "$work/outside"
"$fresh" -W error -I "$root/tests/wheel/smoke_numpy.py" "$work/venv"

step "install the reference extra"
"$fresh" -m pip install --quiet --no-compile --constraint "$root/constraints.txt" "$wheel[reference]"
"$fresh" -m pip check
"$fresh" -W error -I "$root/tests/wheel/smoke_torch.py" "$work/venv"

step "train the reference model"
"$fresh" -m reference_model.train --root "$work/faces" --out "$work/run" --loss both \
  --synthetic.num_train 192 --synthetic.num_valid 32 --synthetic.num_test 64 --images.size 32 --train.epochs 1 \
  --train.progress off
[[ -n "$(find "$work/run" -name report.json)" ]] || { echo "the run wrote no report.json"; exit 1; }

step "the wheel works"
