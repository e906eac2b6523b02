"""A YAML file as plain values, with the line and the column of each of them.

Values are those of YAML 1.2's core: only `true` and `false` are yes and no, so that a country code NO is a text.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml
from yaml.constructor import SafeConstructor

LARGEST_BYTES = 256 * 1024
MOST_VALUES = 20_000
DEEPEST = 20

Path = tuple[str | int, ...]
"""Keys and list positions that lead to a value."""

_TAG = "tag:yaml.org,2002:"
_CONSTRUCTOR = SafeConstructor()


class Place(NamedTuple):
    """Where a value stands, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the file, at which place, and what to do about it, in one sentence."""

    place: Place
    text: str


class FaultyFileError(Exception):
    """The file cannot be used."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(set(faults), key=lambda fault: fault.place)
        super().__init__("; ".join(fault.text for fault in self.faults))


@dataclass(frozen=True, slots=True)
class Read:
    """The values of a file, and their places."""

    data: Any
    places: dict[Path, Place]
    keys: dict[Path, Place]
    """Places of the keys of mappings, by the path of their values."""
    blocks: frozenset[Path]
    """Texts that begin on the line after their place, with | or >."""

    def line_of_text(self, path: Path, number: int) -> Place:
        """Return where a line of a text stands, counted from 1 within it."""
        line, column = self.place(path)
        return Place(line + number, 1) if path in self.blocks else Place(line + number - 1, column)

    def place(self, path: Path) -> Place:
        """Return where a value stands, or the nearest one around it that the file has."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(1, 1))

    def key(self, path: Path) -> Place:
        """Return where the key of a value stands, or the value where it has none."""
        return self.keys.get(path) or self.place(path)


def read_yaml(content: bytes) -> Read:
    """Return the values of a YAML text. Raises FaultyFileError."""
    if len(content) > LARGEST_BYTES:
        said = f"the file has more than {LARGEST_BYTES // 1024} kB: shorten its lookups, or is it another file?"
        raise FaultyFileError([Fault(Place(1, 1), said)])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FaultyFileError([Fault(Place(line, 1), "this is not UTF-8: save the file as UTF-8")]) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise FaultyFileError([Fault(Place(1, 1), "the file is empty: begin with `erp-medusa mapping > FILE`")])
        reader = _Reader()
        data = reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        raise FaultyFileError([_of_yaml(error, text)]) from error
    except yaml.YAMLError as error:
        # A character that YAML has not.
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
        said = "there is a character here that cannot be seen: delete it"
        raise FaultyFileError([Fault(Place(line, position - text.rfind("\n", 0, position)), said)]) from error
    except RecursionError as error:
        raise FaultyFileError([Fault(Place(1, 1), _too_deep())]) from error
    if reader.faults:
        raise FaultyFileError(reader.faults)
    return Read(data, reader.places, reader.keys, frozenset(reader.blocks))


def _of_yaml(error: yaml.MarkedYAMLError, text: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if "\t" in line[: place.column]:
        return Fault(place, "there is a tab: YAML is indented with blanks")
    if "expected a single document" in f"{error.context}":
        return Fault(place, "a second document begins here: a mapping is one, take out the line ---")
    problem = (error.problem or "it cannot be read").replace("could not find expected ':'", "there is no ':'")
    return Fault(place, f"this is not YAML: {problem}. Is something not indented, or a text with ': ' not in quotes?")


class _Reader:
    """Turn nodes into values; what is wrong goes into `faults`, and reading continues."""

    def __init__(self) -> None:
        self.places: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self.blocks: set[Path] = set()
        self.faults: list[Fault] = []
        self._around: list[int] = []
        self._number = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        place = _place(node)
        self.places[path] = place
        self._number += 1
        if self._number > MOST_VALUES:
            said = f"the file has more than {MOST_VALUES:,} values, those that aliases (*) repeat among them"
            raise FaultyFileError([Fault(place, said)])
        if id(node) in self._around:
            raise FaultyFileError([Fault(place, "an alias (*) here leads back into itself: write the value out")])
        if len(path) > DEEPEST:
            raise FaultyFileError([Fault(place, _too_deep())])
        if isinstance(node, yaml.ScalarNode):
            if node.style in ("|", ">"):
                self.blocks.add(path)
            return self._scalar(node, place)
        self._around.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self.value(each, (*path, number)) for number, each in enumerate(node.value)]
        finally:
            self._around.pop()

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        if not _is_whole(text):
            self.faults.append(Fault(place, "there is half a character here, as an escape: write the character itself"))
            return None
        if kind == "str" or (kind == "bool" and text.lower() not in ("true", "false")):
            return text
        try:
            match kind:
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return _CONSTRUCTOR.construct_yaml_int(node)
                case "float" if math.isfinite(number := _CONSTRUCTOR.construct_yaml_float(node)):
                    return number
                case "float":
                    said = f"{text!r} is no number that a shop has: write it out"
                case _:
                    said = f"{text!r} is read as a {kind}: put it into quotes"
        except ValueError:
            said = f"{text!r} is no number: put it into quotes if it is a text"
        self.faults.append(Fault(place, said))
        return None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append(Fault(place, "a name is expected here, not a list or a table"))
                continue
            key = str(key_node.value)
            if key_node.tag == f"{_TAG}merge":
                self.faults.append(Fault(place, "<< is not read: write the keys out"))
                continue
            if key in found:
                first = self.keys[(*path, key)].line
                said = f"{key!r} is here a second time, line {first} has it already: take one of them out"
                self.faults.append(Fault(place, said))
                continue
            self.keys[(*path, key)] = place
            found[key] = self.value(value_node, (*path, key))
        return found


def _is_whole(text: str) -> bool:
    """Return whether a text can be written as UTF-8: an escape may stand for half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _too_deep() -> str:
    return f"lists and tables are inside each other more than {DEEPEST} times: a mapping needs four"
