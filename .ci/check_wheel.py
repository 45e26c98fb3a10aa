"""Install the wheel in a folder and use it from outside the checkout: `check_wheel.py DIST`."""

import pathlib
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parents[1]
CHECK = """
import importlib.metadata, pathlib, sksubsel, sksubsel.spaces
assert importlib.metadata.version("sksubsel") == sksubsel.__version__
home = pathlib.Path(sksubsel.__file__).parent
assert home.parent.name == "site-packages", home
assert (home / "py.typed").is_file(), "type checkers would not look at its types"
from sksubsel.spaces import NASBench101
space = NASBench101()
assert len(space) == 423_624, len(space)
assert len(space.sample(3, random_state=0)) == 3
print("imported", sksubsel.__version__, "from", home)
"""


def main(dist):
    (wheel,) = pathlib.Path(dist).glob("*.whl")
    (_sdist,) = pathlib.Path(dist).glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        bin_folder = "Scripts" if sys.platform == "win32" else "bin"
        python = str(pathlib.Path(folder, bin_folder, "python"))
        constraints = ["-c", str(ROOT / "constraints.txt")]
        subprocess.check_call([python, "-m", "pip", "install", "-q", *constraints, str(wheel)])
        subprocess.check_call([python, "-I", "-c", CHECK], cwd=folder)
        command = str(pathlib.Path(python).with_name("sksubsel"))
        bare = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
        assert bare.returncode == 1 and "sksubsel[cli]" in bare.stderr, bare
        subprocess.check_call([python, "-m", "pip", "install", "-q", *constraints, f"{wheel}[cli]"])
        subprocess.check_call([command, "--help"])


if __name__ == "__main__":
    main(sys.argv[1])
