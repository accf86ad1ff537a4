"""The bridge alone, without the other commands: as an app runs it (`client/helping.py`)."""

from __future__ import annotations

import argparse
import sys

from whimbrel.bridge.main import add_arguments, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="whimbrel bridge")
    add_arguments(parser)
    sys.exit(run(parser.parse_args()))
