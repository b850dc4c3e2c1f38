"""`prefsvc brands`: check brand files, apply them, show and retire what is applied."""

from argparse import Namespace
from pathlib import Path

import yaml

from prefsvc import app
from prefsvc import brands as book
from prefsvc.brand import Brand, check_together
from prefsvc.brands import Applied
from prefsvc.cli.context import Commands, with_service
from prefsvc.doors import Service
from prefsvc.errors import BrandRefusal
from prefsvc.settings import Settings


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("brands", help="check, apply, show and retire brands")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser(
        "check", help="say all that is wrong with brand files; change nothing"
    )
    check.set_defaults(run=_check)
    apply = actions.add_parser("apply", help="apply brand files, all or none")
    apply.add_argument("--dry-run", action="store_true", help="only say what would change")
    apply.set_defaults(run=_apply)
    for action in (check, apply):
        action.add_argument("paths", nargs="+", type=Path, help="files or folders of *.toml")
    show = actions.add_parser("show", help="show applied brands")
    show.add_argument("brand", nargs="?", help="one brand, whole")
    show.set_defaults(run=_show)
    retire = actions.add_parser("retire", help="retire a brand; its opt-outs and links stay")
    retire.add_argument("brand")
    retire.set_defaults(run=_retire)


def _files(paths: list[Path]) -> list[Path]:
    files = [
        file
        for path in paths
        for file in (sorted(path.glob("*.toml")) if path.is_dir() else [path])
    ]
    if missing := [file for file in files if not file.is_file()]:
        raise BrandRefusal(problems=[f"{file}: there is no such file" for file in missing])
    if not files:
        raise BrandRefusal("There is no *.toml file there.")
    return files


def _check(_: Settings, given: Namespace) -> int:
    read = app.read_brands(_files(given.paths))
    check_together(read)
    print(f"{len(read)} brands are sound: {', '.join(brand.slug for brand in read)}")
    for brand in read:
        for remark in brand.remarks():
            print(f"{brand.slug}: note that {remark}.")
    return 0


def _apply(settings: Settings, given: Namespace) -> int:
    read = app.read_brands(_files(given.paths))

    async def work(service: Service) -> list[Applied]:
        if not given.dry_run:
            return await app.apply_brands(service, read)
        return _would_apply(service, read)

    for applied in with_service(settings, work):
        if not applied.changes:
            print(f"{applied.slug}: as it was")
        for change in applied.changes:
            print(f"{applied.slug}: {change}")
    print("Nothing was changed (dry run)." if given.dry_run else "Applied.")
    return 0


def _would_apply(service: Service, read: list[Brand]) -> list[Applied]:
    """Say what applying would change, against what is applied now."""
    standing = {
        slug: one.brand for slug, one in service.book.by_slug.items() if one.retired_at is None
    }
    return book.compare(standing, read)


def _show(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> str:
        if given.brand:
            document = (await service.brand(given.brand)).brand.to_document()
            return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip()
        lines = [
            f"{one.slug}  {one.brand.name}  ({', '.join(one.brand.channels)})"
            + ("  retired" if one.retired_at else "")
            for one in service.book.by_slug.values()
        ]
        return "\n".join(sorted(lines)) or "No brand is applied yet; run `prefsvc brands apply`."

    print(with_service(settings, work))
    return 0


def _retire(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> None:
        async with service.database.transaction() as tx:
            await book.retire(tx, given.brand)

    with_service(settings, work)
    print(f"{given.brand} is retired: its opt-outs stand and its links keep working.")
    return 0
