#!/bin/sh
# Says plainly what is missing before anything is installed. Usage: check_machine.sh PYTHON
python="$1"
missing=0

if ! command -v "$python" >/dev/null 2>&1; then
    echo "missing: $python. Install Python 3.11 or newer (Debian: apt-get install python3 python3-venv), or call make PYTHON=/path/to/python3." >&2
    missing=1
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "missing: Python 3.11 or newer; $python is $("$python" --version 2>&1). Call make PYTHON=/path/to/a/newer/python3." >&2
    missing=1
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "missing: the venv module of $python (Debian: apt-get install python3-venv)." >&2
    missing=1
fi

if [ -z "$CXX" ] && ! command -v g++ >/dev/null 2>&1 && ! command -v clang++ >/dev/null 2>&1; then
    echo "missing: a C++ compiler. Install g++ 11 or newer (Debian: apt-get install g++) or clang." >&2
    missing=1
fi

exit $missing
