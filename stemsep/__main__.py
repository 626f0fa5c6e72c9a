"""``python -m stemsep``: the command line."""

from stemsep.cli.main import run

if __name__ == "__main__":
    run()
