"""A log-in that many threads share."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count

from pydantic import SecretStr

from erp_medusa_pipelines.clients.login import Login


def test_threads_whose_token_was_refused_log_in_once_together() -> None:
    numbers = count(1)
    login = Login("admin@shop.example", SecretStr("password"))

    def ask(_login: Login) -> str:
        return f"token {next(numbers)}"

    assert login.token(ask) == "token 1"
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: login.token(ask, stale="token 1"), range(40)))
    assert set(found) == {"token 2"}


def test_neither_password_nor_token_is_shown() -> None:
    login = Login("admin@shop.example", SecretStr("the-password"))
    login.token(lambda _: "the-token")
    assert "the-password" not in repr(login)
    assert "the-token" not in repr(login)
