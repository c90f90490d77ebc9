#!/bin/sh
# Install other people's clients, each into an environment of its own below FOLDER, where test_clients.py finds them.
#   tests/clients/install.sh [FOLDER]     default .venv/clients; HFTD_CLIENTS names another folder to the tests
# They pin old packages: PYTHON must be 3.10 or 3.11. What cannot be installed is said, and its test is skipped.
set -u
folder=${1:-.venv/clients}
python=${PYTHON:-python3.11}
mkdir -p "$folder"

from_pypi() {
    "$python" -m venv "$folder/$1" && "$folder/$1/bin/python" -m pip install -q "$2" || gave_up "$1" "$2"
}

from_npm() {
    npm install --silent --no-audit --no-fund --prefix "$folder/$1" "$2" || gave_up "$1" "$2"
}

gave_up() {
    rm -rf "${folder:?}/$1"
    echo "$2 could not be installed" >&2
}

from_pypi alpaca-trade-api alpaca-trade-api==3.2.0
from_pypi lumibot lumibot==4.6.30
from_pypi cpquant cpquant==0.1.8
from_npm javascript-4 @alpacahq/alpaca-trade-api@4.0.2
from_npm javascript-3 @alpacahq/alpaca-trade-api@3.1.3
