"""The program `sutra` of the package, as a command and as `python -m sutra`."""
import os
import sys
from pathlib import Path


def main() -> None:
    program = Path(__file__).with_name("bin") / "sutra"
    os.execv(program, [str(program), *sys.argv[1:]])


if __name__ == "__main__":
    main()
