"""Break things again and again, and look whether anything was lost, doubled, put in another order, or forked.

    python soak/run.py                        all of it, at full numbers: about an hour
    python soak/run.py client relay           those whose names begin so
    python soak/run.py --times 20 --seed 7    smaller, and with the draws of an earlier run

The draws (who says and changes what, when something is killed) come from the seed; how the processes are scheduled does not,
so the same seed comes close to the same run, no more.

Each file beside this one is one question and says what it does; the records of full runs go to bench/out/soak_*.json.
A soak that fails keeps its folder and says where it is.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "bench"), str(HERE.parent / "tests")]

FULL = {"group_changed": 300, "relay_killed": 1000, "client_killed": 1000, "large_file": 1}
"""How many times at full numbers: rounds, kills, kills, files."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "which", nargs="*", metavar="NAME", help=f"the beginning of one of: {', '.join(FULL)}"
    )
    parser.add_argument("--times", type=int, help="how many kills or rounds, instead of the full number")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--folder", type=Path, help="where homes and relay are kept while it runs")
    args = parser.parse_args()
    wanted = [name for name in FULL if not args.which or name.startswith(tuple(args.which))]
    if not wanted:
        parser.error(f"there is no soak whose name begins with {' or '.join(args.which)}")
    failed = [name for name in wanted if not soak(name, args.times or FULL[name], args.seed, args.folder)]
    return 1 if failed else 0


def soak(name: str, times: int, seed: int, parent: Path | None) -> bool:
    """Run one; whether all held. Only a run at full numbers leaves a record."""
    module = importlib.import_module(name)
    folder = Path(tempfile.mkdtemp(prefix=f"whimbrel-{name}-", dir=parent))
    print(
        f"{name}: {(module.__doc__ or '').partition(chr(10))[0]}\n  {times} times, seed {seed}, in {folder}",
        flush=True,
    )
    began = time.monotonic()
    try:
        report = asyncio.run(module.run(folder, seed, times))
    except BaseException:
        traceback.print_exc()
        print(
            f"{name} FAILED after {time.monotonic() - began:.0f} s, seed {seed}.\n"
            f"  Everything is kept in {folder}: a home for each person (open it with `whimbrel --home {folder}/NAME status`\n"
            f"  or `read`), what each said on stderr in NAME.err, and the relay's data in relay/ (start it with\n"
            f"  `whimbrel relay --data {folder}/relay`; it takes its old port). The draws come again with --seed {seed}.",
            file=sys.stderr,
            flush=True,
        )
        return False
    report.publish(keep=times >= FULL[name])
    shutil.rmtree(folder)
    return True


if __name__ == "__main__":
    raise SystemExit(main())
