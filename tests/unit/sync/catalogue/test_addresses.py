"""An address that no web address can hold stops nothing: it leads nowhere, and its picture is refused by name."""

from erp_medusa_pipelines.sync.catalogue.image_files import encoded


def test_half_a_character_in_an_address_is_replaced() -> None:
    assert encoded("/files/a\ud800.png") == "/files/a?.png"
    assert encoded("/files/مرحبا.png") == "/files/%D9%85%D8%B1%D8%AD%D8%A8%D8%A7.png"
