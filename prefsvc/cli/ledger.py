"""`prefsvc ledger`: verify it, and export its checkpoints to where nobody here can reach."""

import json
import sys
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from prefsvc import checkpoints
from prefsvc.cli.context import Commands, with_service
from prefsvc.doors import Service
from prefsvc.errors import CheckpointsUnreadable
from prefsvc.settings import Settings
from prefsvc.verification import Exported, Findings, verify

WRONG_SHOWN_MAX = 50


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("ledger", help="verify the ledger, export its checkpoints")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser("verify", help="find any row that was altered, removed or inserted")
    check.add_argument(
        "--checkpoints", type=Path, help="checkpoints exported earlier (NDJSON), to compare with"
    )
    check.set_defaults(run=_verify)
    export = actions.add_parser("checkpoints", help="print all checkpoints as NDJSON")
    export.set_defaults(run=_export)
    key = actions.add_parser("public-key", help="print the key that checkpoints are verified with")
    key.set_defaults(run=_public_key)


def _verify(settings: Settings, given: Namespace) -> int:
    exported = _read(given.checkpoints) if given.checkpoints else {}

    async def work(service: Service) -> Findings:
        async with service.database.read(snapshot=True) as tx:
            found = await verify(
                tx, service.vault, service.installation.installation_id, service.book, exported
            )
        for slug in sorted({slug for slug, _ in exported} - service.book.by_slug.keys()):
            found.wrong.append(f"checkpoints were exported of brand {slug}, which is gone")
        return found

    # All of a large ledger is read, some of it in one statement.
    patient = settings.model_copy(update={"statement_timeout_seconds": 0})
    findings = with_service(patient, work)
    for sentence in findings.wrong[:WRONG_SHOWN_MAX]:
        print(f"WRONG  {sentence}")
    if len(findings.wrong) > WRONG_SHOWN_MAX:
        print(f"WRONG  and {len(findings.wrong) - WRONG_SHOWN_MAX} more")
    print(
        f"{findings.rows} ledger rows, {findings.checkpoints} checkpoints, {findings.suppressions} "
        f"suppressions and {findings.addresses} addresses read: "
        + (
            f"{len(findings.wrong)} things are wrong."
            if findings.wrong
            else "all as it was written."
        )
    )
    return 1 if findings.wrong else 0


def _read(path: Path) -> dict[tuple[str, int], list[Exported]]:
    exported: dict[tuple[str, int], list[Exported]] = defaultdict(list)
    try:
        lines: Iterable[str] = path.read_text("utf-8").splitlines()
        for line in lines:
            one = json.loads(line)
            exported[one["brand"], int(one["bucket"])].append(
                Exported(
                    int(one["position"]),
                    bytes.fromhex(one["digest"]),
                    datetime.fromisoformat(one["made_at"]).astimezone(UTC),
                    bytes.fromhex(one["signature"]),
                )
            )
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise CheckpointsUnreadable(
            f"{path} cannot be read as exported checkpoints ({type(error).__name__})."
        ) from error
    return exported


def _export(settings: Settings, _: Namespace) -> int:
    async def work(service: Service) -> None:
        async with service.database.read() as tx:
            for brand in service.book.by_id.values():
                async for line in checkpoints.exported(tx, brand):
                    sys.stdout.write(line.decode())

    with_service(settings, work)
    return 0


def _public_key(settings: Settings, _: Namespace) -> int:
    async def work(service: Service) -> str:
        return service.vault.ledger_fingerprint.hex()

    print(with_service(settings, work))
    return 0
