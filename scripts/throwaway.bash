# Sourced by floors and newest, in the folder of the repository: a venv that is removed again, and the tests in it. Needs a package index.
# PYTHON names the interpreter; the default is `python3`.

venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
# Some tests become another user, who must be able to read it.
chmod 755 "$venv"
"${PYTHON:-python3}" -m venv "$venv"

# Print every requirement of pyproject.toml, one on each line: "needed" what Coffer and its build need, "test" what only the tests need.
requirements() {
    "$venv/bin/python" - "$1" <<'PYTHON'
import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    configuration = tomllib.load(file)
project = configuration["project"]
if sys.argv[1] == "test":
    print(*configuration["dependency-groups"]["test"], sep="\n")
else:
    # The extra `all` names the others.
    extras = [requirements for name, requirements in project["optional-dependencies"].items() if name != "all"]
    print(*sorted({*configuration["build-system"]["requires"], *project["dependencies"], *(one for extra in extras for one in extra)}), sep="\n")
PYTHON
}

install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

# Install Coffer from the sources, print what is there, and run the tests with these arguments for pytest.
run_tests() {
    install --no-deps --no-build-isolation --editable .
    "$venv/bin/python" -m pip list --disable-pip-version-check --format=freeze >&2
    # Examples are run by their commands, which are found as a user would find them.
    PATH="$venv/bin:$PATH" "$venv/bin/python" -m pytest "$@"
}
