"""The list of what an export is made of: enough to check every byte, and to draw any of it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from fdsl import __version__
from fdsl.data.export.config import ExportConfig
from fdsl.data.export.plan import Plan, make_plan
from fdsl.data.export.records import Record
from fdsl.data.export.stores import UNFINISHED, Store
from fdsl.errors import DataError, InputError

MANIFEST_FILE = "manifest.json"
MANIFEST_VERSION = 1
DREW = ("numba", "numpy")
"""Libraries whose versions are told, though no byte depends on them."""
READ: dict[str, type] = {"config": dict, "definition": dict, "dataset": str, "versions": dict, "shards": list}
"""Fields that are read, and what they are."""


@dataclass(frozen=True)
class Manifest:
    """A finished export.

    Attributes:
        plan: what lies where, as this version of fdsl and its libraries would make it.
        written: what the manifest says of that, as `Plan.to_json` does.
        records: of every shard, in order.
    """

    plan: Plan
    written: dict[str, Any]
    records: tuple[Record, ...]

    @property
    def changed(self) -> list[str]:
        """In which libraries this machine differs from the one that made the files, NAME THERE, HERE HERE."""
        return list(differences(self.written["versions"], self.plan.versions))


def manifest_text(plan: Plan, records: Sequence[Record]) -> str:
    """Return the manifest of finished shards: readable, a line a shard."""
    content = {
        "manifest_version": MANIFEST_VERSION,
        "made_by": f"fdsl {__version__}",
        "made_with": {name: metadata.version(name) for name in DREW},
        **plan.to_json(),
        "images": plan.images,
        "bytes": sum(record.bytes for record in records),
    }
    shards = [record.to_json() for record in records]
    content["sha256"] = _checksum({**content, "shards": shards})
    head = json.dumps(content, indent=2, ensure_ascii=False).removesuffix("\n}")
    lines = ",\n".join(f"    {json.dumps(shard)}" for shard in shards)
    return f'{head},\n  "shards": [\n{lines}\n  ]\n}}\n'


def read_manifest(store: Store) -> Manifest:
    """Return the manifest in a store.

    Raises:
        InputError: there is none, or the export is not finished.
        DataError: it is damaged, of a newer version, or of a family that this version draws otherwise.
    """
    where = store.describe(MANIFEST_FILE)
    content = _content(store, where)
    config = ExportConfig.from_json(content["config"], where)
    try:
        plan = make_plan(config)
    except InputError as error:
        raise DataError(f"{where} holds a config that cannot be used: {error}") from error
    _check_family(plan, content, where)
    records = tuple(Record.from_json(values, where) for values in content["shards"])
    # not as a list of all numbers: of a forged config it would fill the memory
    if len(records) != plan.shards or any(record.shard != n for n, record in enumerate(records)):
        raise DataError(f"{where} must list {plan.shards} shards in order, got {len(records)}")
    for record in records:
        held = plan.positions(record.shard)
        if (record.first, record.images) != (held.start, len(held)):
            raise DataError(
                f"{where} must list {len(held)} images from {held.start} on of shard {record.shard}, "
                f"got {record.images} from {record.first} on"
            )
    written = {name: content[name] for name in READ if name != "shards"}
    return Manifest(plan, written, records)


def _content(store: Store, where: str) -> dict[str, Any]:
    """Return the fields of the manifest in a store, which are of the kinds they ought to be; errors as above."""
    try:
        content = json.loads(store.read(MANIFEST_FILE))
        own = isinstance(content, dict) and content.pop("sha256", None) == _checksum(content)
    except FileNotFoundError as error:
        begun = store.has(UNFINISHED)
        raise InputError(
            f"{store.target} must be finished, but it is not: the fdsl render command that began it goes on"
            if begun
            else f"{store.target} must hold {MANIFEST_FILE}, as fdsl render leaves it when it is done"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is damaged: {error}") from error
    if not isinstance(content, dict) or type(content.get("manifest_version")) is not int:
        raise DataError(f"{where} must be a manifest of fdsl, got something else")
    if content["manifest_version"] > MANIFEST_VERSION:
        raise DataError(
            f"{where} is of version {content['manifest_version']}, by {content.get('made_by', 'a newer fdsl')}; "
            f"fdsl {__version__} reads {MANIFEST_VERSION}: pip install --upgrade fdsl"
        )
    if not own:
        raise DataError(f"{where} is damaged or edited: its own checksum differs")
    for name, kind in READ.items():
        if not isinstance(content.get(name), kind):
            raise DataError(f"{where} must hold {name}, a {kind.__name__}, got {content.get(name)!r:.200}")
    return content


def _check_family(plan: Plan, content: Mapping[str, Any], where: str) -> None:
    """Check that the family is still the one that was drawn."""
    here = plan.to_json()
    if content["dataset"] != here["dataset"]:
        found = ", ".join(differences(content["definition"], here["definition"])) or "another digest"
        raise DataError(f"{where} is of a dataset that this fdsl {__version__} draws otherwise: {found}")


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """Yield in which fields two JSON objects differ: NAME THERE there, HERE here."""
    for name in sorted({*there, *here}):
        one, other = there.get(name), here.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from differences(one, other)
        elif one != other:
            yield f"{name} {_shown(one)} there, {_shown(other)} here"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
