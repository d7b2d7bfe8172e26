"""`python -m tests.guarantees [NAME ...]`: breaks each promise of the README; its test must notice.

NAME is the function of a test that the table names; without any, every promise is broken in turn.
"""

import argparse
import sys

from tests.guarantees.promises import Promise, promises
from tests.guarantees.proof import proof


def main() -> int:
    """Prove the chosen promises; 1 where a test did not turn red."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    names: list[str] = parser.parse_args().names
    known = {promise.test: promise for promise in promises()}
    unknown = sorted(set(names) - set(known))
    if unknown:
        parser.error(f"no guarantee names {', '.join(unknown)}; there are: {', '.join(known)}")
    chosen = [known[name] for name in names] if names else list(known.values())
    print("| promise | test | seconds | what the test says of it | verdict |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    red = sum(_told(promise) for promise in chosen)
    print(f"{red} of {len(chosen)} tests noticed that what they protect was broken")
    return 0 if red == len(chosen) else 1


def _told(promise: Promise) -> bool:
    found = proof(promise, promise.broken())
    cells = (promise.text, promise.test, f"{found.seconds:.0f}", found.seen, found.verdict)
    print(f"| {' | '.join(cells)} |", flush=True)
    return found.verdict == "red"


if __name__ == "__main__":
    sys.exit(main())
