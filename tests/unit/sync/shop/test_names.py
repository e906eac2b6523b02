"""Names as people typed them."""

import pytest

from erp_medusa_pipelines.sync.shop.names import clean_name


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        (None, ""),
        ("Syringe 5 ml", "Syringe 5 ml"),
        ("Luer &lt;Slip&gt; &amp; Lock", "Luer <Slip> & Lock"),
        ("  Gloves\u00a0 (blue)\n", "Gloves (blue)"),
        ("<b>Gloves</b> &amp; <span style='color: red'>masks</span>", "Gloves & masks"),
        ("Luer <Slip>", "Luer <Slip>"),
        ("a < b > c", "a < b > c"),
        ("&lt;b&gt; stays as typed", "<b> stays as typed"),
        ("قفاز &quot;نيتريل&quot;", 'قفاز "نيتريل"'),
    ],
)
def test_a_name_is_decoded_and_trimmed(stored: str | None, name: str) -> None:
    assert clean_name(stored) == name
