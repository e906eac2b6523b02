"""Who subscribed, in whatever form a storefront writes it."""

from typing import Any

import pytest

from erp_medusa_pipelines.sync.storefront.subscribers import is_subscribed, locale_of


@pytest.mark.parametrize("value", [True, "true", "True", " YES ", "on", "1", 1, 1.0, "y"])
def test_these_mean_yes(value: Any) -> None:
    assert is_subscribed({"metadata": {"newsletter_subscribed": value}})


@pytest.mark.parametrize("value", [None, False, "false", "no", "", "0", 0, [], {}, ["true"], "maybe"])
def test_these_mean_no(value: Any) -> None:
    assert not is_subscribed({"metadata": {"newsletter_subscribed": value}})


@pytest.mark.parametrize("metadata", [None, {}, "text", []])
def test_without_metadata_nobody_subscribed(metadata: Any) -> None:
    assert not is_subscribed({"metadata": metadata})
    assert locale_of({"metadata": metadata}) == ""


def test_the_language_is_the_first_that_is_a_text() -> None:
    assert locale_of({"metadata": {"language": {"x": 1}, "locale": "ar-OM"}}) == "ar-OM"
    assert locale_of({"metadata": {"language": "ar", "locale": "en"}}) == "ar"
