"""From a mapping file to rows that work, or to what is wrong with it: the line, the column, and what to do."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path as File
from typing import Any

from pydantic import ValidationError

from erp_medusa_pipelines.product_fields import FIELD_POLICIES, Empty
from erp_medusa_pipelines.settings import SettingsError
from erp_medusa_pipelines.sync.catalogue.mapping.places import (
    LARGEST_BYTES,
    Fault,
    FaultyFileError,
    Path,
    Place,
    Read,
    read_yaml,
)
from erp_medusa_pipelines.sync.catalogue.mapping.rows import BARCODES, SPECIFICATIONS, MappedField
from erp_medusa_pipelines.sync.catalogue.mapping.schema import MappingFile, Row, faults_of
from erp_medusa_pipelines.sync.catalogue.mapping.targets import Kind, Target, find_target
from erp_medusa_pipelines.sync.catalogue.mapping.templates import TemplateFaultError, TextTemplate, parse_template
from erp_medusa_pipelines.sync.catalogue.mapping.transforms import Transform, build
from erp_medusa_pipelines.sync.engine.names import ByName

_FIELD = re.compile(r"(?:item\.|meta\.)?[a-z_][a-z0-9_]{0,139}")
_BEGINNINGS = {"from": "from_", "template": "template", "value": "value"}
MOST_SHOWN = 20


class MappingError(SettingsError):
    """The mapping cannot be used. The message has a line FILE:LINE:COLUMN per fault."""

    def __init__(self, file: str, faults: list[Fault]) -> None:
        self.faults = faults
        lines = [located(file, fault.place, fault.text) for fault in faults[:MOST_SHOWN]]
        more = [f"and {len(faults) - MOST_SHOWN} more"] if len(faults) > MOST_SHOWN else []
        super().__init__("The mapping cannot be used:\n  " + "\n  ".join([*lines, *more]))


def located(file: str, place: Place, text: str) -> str:
    """Return a message that an editor can jump to."""
    return f"{file}:{place.line}:{place.column}: {text}"


def content_of(path: File) -> bytes:
    """Return what is in a mapping file. Raises MappingError."""
    try:
        with path.open("rb") as opened:
            # One more than is taken: parse_mapping says that it is too large.
            return opened.read(LARGEST_BYTES + 1)
    except OSError as error:
        said = f"the file cannot be read ({error.strerror}): name a mapping file of this machine"
        raise MappingError(str(path), [Fault(Place(1, 1), said)]) from error


def parse_mapping(content: bytes, file: str) -> tuple[MappedField, ...]:
    """Return the rows of a file's content. `file` names it in messages. Raises MappingError."""
    try:
        read = read_yaml(content)
        try:
            checked = MappingFile.model_validate(read.data)
        except ValidationError as error:
            raise FaultyFileError(
                Fault(read.key(path) if of_key else read.place(path), text) for path, of_key, text in faults_of(error)
            ) from error
        return _Loader(read, checked).rows()
    except FaultyFileError as error:
        raise MappingError(file, error.faults) from error


class _Loader:
    def __init__(self, read: Read, checked: MappingFile) -> None:
        self._read = read
        self._file = checked
        self._tables: Mapping[str, ByName[Any]] = {
            name: ByName(table.items()) for name, table in checked.lookups.items()
        }
        self._faults: list[Fault] = []

    def rows(self) -> tuple[MappedField, ...]:
        """Return all rows. Raises FaultyFileError, with all that is wrong."""
        found: dict[tuple[str, str], MappedField] = {}
        for written, row in self._file.fields.items():
            path: Path = ("fields", written)
            target = find_target(written)
            if isinstance(target, str):
                self._faults.append(Fault(self._read.key(path), target))
                continue
            made = self._row(written, row, target, path)
            if made:
                found[target.place, target.key] = made
        if "title" not in self._file.fields:
            said = "there is no row `title`, which Medusa wants of every product: title: {from: web_item_name}"
            self._faults.append(Fault(self._read.key(("fields",)), said))
        if self._faults:
            raise FaultyFileError(self._faults)
        return tuple(found.values())

    def _row(self, written: str, row: Row, target: Target, path: Path) -> MappedField | None:
        before = len(self._faults)
        begins = [key for key, name in _BEGINNINGS.items() if name in row.model_fields_set]
        if len(begins) != 1:
            said = " and ".join(begins) or "nothing"
            self._fault(path, f"{written} begins with {said}: give it one of from, template, value")
        sources = [row.from_] if isinstance(row.from_, str) else row.from_ or []
        for number, name in enumerate(sources):
            self._check_field(name, (*path, "from", number) if isinstance(row.from_, list) else (*path, "from"))
        if begins == ["from"] and not sources:
            self._fault((*path, "from"), "from names no field")
        template = self._template(row, path)
        steps = tuple(self._steps(row, path))
        is_list = isinstance(row.from_, list)
        made = MappedField(
            target=target,
            policy=row.policy or FIELD_POLICIES.get(target.name, "until_erp_changes"),
            empty=_empty(row, target),
            written=written,
            place_in_file=self._read.key(path),
            sources=tuple(sources),
            is_list=is_list,
            template=template,
            constant=row.value,
            steps=steps,
            default=row.default,
            inherit=row.inherit,
        )
        self._check_lists(made, path)
        self._check_tables(made, path)
        if row.inherit and BARCODES in made.fields:
            self._fault((*path, "inherit"), "barcodes are not inherited: each is one item's")
        if begins == ["value"] and isinstance(row.value, dict):
            self._fault((*path, "value"), "value takes a text, a number, true, false or a list")
        return made if len(self._faults) == before else None

    def _template(self, row: Row, path: Path) -> TextTemplate | None:
        if row.template is None:
            return None
        try:
            template = parse_template(row.template)
        except TemplateFaultError as error:
            self._faults.append(Fault(self._read.line_of_text((*path, "template"), error.line), str(error)))
            return None
        for name in template.fields:
            self._check_field(name, (*path, "template"))
        if not template.fields:
            self._fault((*path, "template"), "the template names no field: use `value:` for what is always the same")
        return template

    def _steps(self, row: Row, path: Path) -> Iterator[Transform]:
        for number, written in enumerate(row.transforms):
            where: Path = (*path, "transforms", number)
            try:
                transform = build(written, self._tables)
            except ValueError as error:
                self._fault(where, str(error))
                continue
            for name in transform.fields:
                self._check_field(name, (*where, "of"))
            yield transform

    def _check_field(self, name: str, path: Path) -> None:
        if not _FIELD.fullmatch(name):
            of = "of Website Item such as brand, of its Item: item.brand, or a tag of its page: meta.title"
            self._fault(path, f"{name!r} is no name of a field: one {of}")

    def _check_lists(self, row: MappedField, path: Path) -> None:
        """Refuse a row in which a list meets what takes one value, or the other way round."""
        is_list = row.is_list or isinstance(row.constant, list)
        for number, step in enumerate(row.steps):
            if step.of_list and not is_list:
                said = f"{step.name} takes a list: name several fields in `from: [a, b]`, or take it out"
                self._fault((*path, "transforms", number), said)
                return
            is_list = (is_list and not step.of_list) or step.makes_list
        if is_list and row.target.kind not in (Kind.TAGS, Kind.JSON):
            said = f"{row.written} takes one value, not a list: add `transforms: [first_of]` or {{join: ', '}}"
            self._fault(path, said)

    def _check_tables(self, row: MappedField, path: Path) -> None:
        if SPECIFICATIONS in row.fields and not (row.sources == (SPECIFICATIONS,) and row.target.kind == Kind.JSON):
            self._fault(path, f"{SPECIFICATIONS} is a table: it goes whole into a key of the metadata")
        elif SPECIFICATIONS in row.fields and (row.steps or row.is_list):
            self._fault(path, f"{SPECIFICATIONS} takes no transforms, and stands alone in `from`")

    def _fault(self, path: Path, text: str) -> None:
        self._faults.append(Fault(self._read.place(path), text))


def _empty(row: Row, target: Target) -> Empty:
    if target.kind == Kind.HANDLE or target.name == "title":
        return Empty.NEVER
    if row.empty == "keep":
        return Empty.STAYS
    return Empty.REMOVED if target.place == "metadata" else Empty.CLEARED
