"""Checks every overlay: renders it, holds it against Kubernetes' schemas of two versions and against our own rules, and its configuration against
the programs.

    check.py [--bin FOLDER] [--kubectl PROGRAM]      exit 1 if anything is wrong; each problem on a line of its own

--bin: built programs, which are then started with the configuration of their pods.
"""

import argparse
import sys
from pathlib import Path

import config_keys
import policy
import schema
from manifests import OVERLAYS, ROOT, Manifests, render


def check(documents: list[dict]) -> list[str]:
    """Everything but the programs themselves."""
    all = Manifests(documents)
    wrong = [problem for it in documents for version in schema.VERSIONS for problem in schema.problems(it, version)]
    return wrong + policy.problems(all) + config_keys.problems(all)


def main() -> int:
    args = argparse.ArgumentParser()
    args.add_argument("--bin", type=Path)
    args.add_argument("--kubectl", default="kubectl")
    args = args.parse_args()
    failed = False
    for name in OVERLAYS:
        try:
            documents = render(ROOT / "deploy" / "overlays" / name, args.kubectl)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            failed = True
            continue
        wrong, started = check(documents), ""
        if args.bin:
            refused, good = config_keys.start(Manifests(documents), args.bin)
            stumbled, jobs = config_keys.understood(Manifests(documents), args.bin)
            wrong += refused + stumbled
            started = f", {good} configurations taken by their programs, and {jobs} commands of Jobs understood"
        for problem in wrong:
            print(f"{name}: {problem}", file=sys.stderr)
        failed |= bool(wrong)
        if not wrong:
            print(f"{name}: {len(documents)} objects are right for Kubernetes {' and '.join(schema.VERSIONS)}{started}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
