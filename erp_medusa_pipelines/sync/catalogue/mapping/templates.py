"""Texts that are put together of fields, as jinja2 templates: `{{ brand }} {{ item.item_name }}`.

A template sees the fields of the Website Item by their names, those of its Item as `item.NAME` and the tags of its page
as `meta.NAME`, and nothing else: no globals, no other templates, no attributes of Python's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

ITEM, META = "item", "meta"
LONGEST = 100_000
"""Characters of a text that a template makes. What is longer is a loop that nobody wanted."""


class TemplateFaultError(Exception):
    """The template cannot be used. `line` is counted from 1 within it."""

    def __init__(self, text: str, line: int = 1) -> None:
        super().__init__(text)
        self.line = line


def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, finalize=lambda value: "" if value is None else value
    )
    made.globals.clear()
    return made


_ENVIRONMENT = _environment()
_FAILURES = (
    TemplateError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError, MemoryError,
)  # fmt: skip
"""What the values of one item can make of a template that others fill in."""
_LOADING = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """A template, and the fields that it names, as a mapping names them."""

    fields: tuple[str, ...]
    _template: Template

    def render(self, values: Mapping[str, Any]) -> str:
        """Return its text for the values of its fields. Raises ValueError, with the reason, where there is none."""
        given: dict[str, Any] = {name: value for name, value in values.items() if "." not in name}
        for owner in (ITEM, META):
            of_owner = {name.partition(".")[2]: one for name, one in values.items() if name.startswith(f"{owner}.")}
            given[owner] = SimpleNamespace(**of_owner)
        parts: list[str] = []
        size = 0
        try:
            for part in self._template.generate(**given):
                size += len(part)
                if size > LONGEST:
                    raise ValueError(f"its template makes more than {LONGEST:,} characters")
                parts.append(part)
        except (
            TemplateError,
            ArithmeticError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
            MemoryError,
        ) as error:
            raise ValueError(f"its template cannot be filled in: {error}") from error
        return "".join(parts)


def parse_template(text: str) -> TextTemplate:
    """Return the template of a text. Raises TemplateFaultError."""
    try:
        tree = _ENVIRONMENT.parse(text)
        template = _ENVIRONMENT.from_string(text)
    except TemplateSyntaxError as error:
        raise TemplateFaultError(f"the template has an error: {error.message}", error.lineno) from error
    except (RecursionError, TemplateError) as error:
        raise TemplateFaultError(f"the template has an error: {error}") from error
    for node in tree.find_all(_LOADING):
        raise TemplateFaultError("a template cannot use others", node.lineno)
    return TextTemplate(_fields(tree), template)


def _fields(tree: nodes.Template) -> tuple[str, ...]:
    own = meta.find_undeclared_variables(tree)
    found = own - {ITEM, META}
    for owner in (ITEM, META):
        attributes = [node for node in tree.find_all(nodes.Getattr) if _is(node.node, owner)]
        uses = [node for node in tree.find_all(nodes.Name) if _is(node, owner)] if owner in own else []
        if len(attributes) < len(uses):
            said = f"`{owner}` is used alone: name one of its fields, such as {owner}.{_EXAMPLES[owner]}"
            raise TemplateFaultError(said, uses[0].lineno)
        found |= {f"{owner}.{node.attr}" for node in attributes if uses}
    return tuple(sorted(found))


_EXAMPLES = {ITEM: "item_name", META: "description"}


def _is(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == name
