#!/usr/bin/env bash
# Builds the documentation site into build/docs: API reference, environments, notebooks (executed, and kept in
# build/notebooks until they change). Warnings are errors; then every link, anchor and picture is checked.
# Nothing but the packages is downloaded. Open build/docs/index.html, or `python -m http.server -d build/docs`.
set -euo pipefail
EXTRAS=dev,docs
source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
SECONDS=0
export OMP_NUM_THREADS=1

# From nothing: Sphinx warns of a page only when it reads it, and a link to a page that is gone would still find it.
rm -rf build/docs build/doctrees
python -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/docs "$@"
for notebook in docs/notebooks/*.md; do
    jupytext --quiet --from md:myst --to ipynb -o "build/docs/notebooks/$(basename "$notebook" .md).ipynb" "$notebook"
done
PYTHONPATH=scripts python -m docs.site.html_check build/docs
echo "build/docs/index.html, $(du -sh build/docs | cut -f1), $SECONDS s"
