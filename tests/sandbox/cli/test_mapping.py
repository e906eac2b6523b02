"""`erp-medusa mapping` prints a file that it takes, and says of another what is wrong."""

from pathlib import Path

import pytest

import erp_medusa_pipelines.sync.catalogue.mapping as package
from tests.sandbox.cli.conftest import Command

FOLDER = Path(package.__file__).parent


def test_the_built_in_mapping_is_printed_line_by_line_and_can_be_checked(erp_medusa: Command, tmp_path: Path) -> None:
    for name, options in {"default.yaml": (), "example.yaml": ("--example",)}.items():
        shipped = (FOLDER / name).read_text(encoding="utf-8")
        assert erp_medusa("mapping", *options).data["mapping"] == shipped
        file = tmp_path / name
        file.write_text(shipped, encoding="utf-8")
        output = erp_medusa("mapping", "--check", str(file))
        assert (output.code, output.data["usable"]) == (0, True)


def test_the_mapping_in_use_is_the_shops_own(erp_medusa: Command, shop_env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text("fields:\n  title: web_item_name\n", encoding="utf-8")
    shop_env.setenv("MAPPING", str(file))
    assert erp_medusa("mapping").data["mapping"] == file.read_text(encoding="utf-8")
    assert "inherit: true" in erp_medusa("mapping", "--default").data["mapping"]


def test_what_is_wrong_is_reported_by_line_and_the_exit_code_says_that_there_is_something_to_do(
    erp_medusa: Command, tmp_path: Path
) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text("fields:\n  title: web_item_name\n  weight: {transforms: [grams]}\n", encoding="utf-8")
    output = erp_medusa("mapping", "--check", str(file))
    assert (output.code, output.data["usable"]) == (1, False)
    assert [(fault["line"], fault["column"]) for fault in output.data["faults"]] == [(3, 11), (3, 25)]
