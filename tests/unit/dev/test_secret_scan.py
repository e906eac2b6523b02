"""The scan before every commit finds what is planted, in shipped code and in tests. No shape stands here whole."""

from pathlib import Path

import pytest

from dev import secret_scan

SHAPES = {
    "AWS Access Key": "AKIA" + "QYLPMN5HGZW3ABCD",
    "Basic Auth Credentials": "https://" + "user:hunter22@" + "erp.example.com",
    "GitHub Token": "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx",
    "JSON Web Token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N",
    "Private Key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "Slack Token": "xox" + "b-34532454-e039d02840a0b9379c",
    "Stripe Access Key": "sk_" + "live_ReTllpYQYfIZu2Jnf2lAPFjD",
}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("name", ["tests/test_shop.py", "erp_medusa_pipelines/shop.py"])
def test_a_planted_secret_is_found_wherever_it_stands(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text(f"first = 1\nsecond = '{SHAPES[kind]}'\n")
    monkeypatch.setattr(secret_scan, "ROOT", tmp_path)
    monkeypatch.setattr(secret_scan, "repository_files", lambda: [name])
    assert secret_scan.main() == 1
    assert f"{name}:2: {kind}" in capsys.readouterr().out


def test_a_secret_that_only_its_name_gives_away_is_found_in_shipped_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop.py").write_text("pass" + "word = 'Tr0ub4dor-and-3'\n")
    monkeypatch.setattr(secret_scan, "ROOT", tmp_path)
    monkeypatch.setattr(secret_scan, "repository_files", lambda: ["shop.py"])
    assert secret_scan.main() == 1
    assert "shop.py:1: Secret Keyword" in capsys.readouterr().out
