"""What may stand between the pipelines and a server: a proxy, a firewall, a login page, a container that restarts.

How each of them answers, as faults to put in front of an embedded server.

Each function takes the `method`, `path` and `body` that the fault is for; without any it is for every request.
"""

from typing import Any

from erp_medusa_sandbox.faults import Fault

NGINX = "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</body>\r\n</html>\r\n"
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}
_BARE: dict[str, str] = {"Content-Type": ""}


def login_redirect(**requests: Any) -> Fault:
    """A single sign-on in front of the server lost its session with it."""
    return Fault("status", status=302, headers={"Location": "https://sso.example/login?next=/admin"}, **requests)


def login_page(**requests: Any) -> Fault:
    """The same, answered at once with the page."""
    return Fault("status", status=200, text="<title>Sign in</title><form>Please sign in to continue</form>", **requests)


def maintenance_page(**requests: Any) -> Fault:
    """A content delivery network's page while somebody works on the server."""
    return Fault("status", status=200, text="<h1>We will be back soon</h1>", **requests)


def moved(**requests: Any) -> Fault:
    """A proxy that sends everybody to its https address."""
    return Fault("status", status=308, headers={"Location": "https://shop.example/"}, **requests)


def no_backend(**requests: Any) -> Fault:
    """An ingress whose container restarts."""
    return Fault("status", status=404, headers=_TEXT, text="404 page not found\n", **requests)


def no_route(**requests: Any) -> Fault:
    """An API gateway that is being set up."""
    return Fault("status", status=404, json={"message": "no Route matched with those values"}, **requests)


def another_express(**requests: Any) -> Fault:
    """Another Node server at the address."""
    page = "<!DOCTYPE html>\n<html>\n<title>Error</title>\n<body>\n<pre>Cannot POST /admin</pre>\n</body>\n</html>\n"
    return Fault("status", status=404, text=page, **requests)


def health_answer(**requests: Any) -> Fault:
    """A proxy that answers everything as if it were asked for its health."""
    return Fault("status", status=200, json={"status": "ok"}, **requests)


def nothing(**requests: Any) -> Fault:
    """A proxy that answers 200 with an empty body."""
    return Fault("status", status=200, headers=_BARE, text="", **requests)


def firewall(status: int = 403, **requests: Any) -> Fault:
    """A firewall that refuses what the requests hold."""
    page = (
        "<html><head><title>Request blocked</title></head><body>Your request was blocked. Incident 4711</body></html>"
    )
    return Fault("status", status=status, text=page, **requests)


def answer_withheld(status: int = 403, **requests: Any) -> Fault:
    """A firewall that looks at answers: the request was carried out, and its answer is replaced."""
    return Fault("replace", status=status, text="<html><body>Response blocked</body></html>", **requests)


def reset_before_headers(status: int = 503, **requests: Any) -> Fault:
    """A service mesh that lost the server after it had got the request: Envoy says 503."""
    text = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"
    return Fault("replace", status=status, headers=_TEXT, text=text, **requests)


def damaged(**requests: Any) -> Fault:
    """A proxy that says it compressed the answer and did not."""
    return Fault("status", status=200, headers={"Content-Encoding": "gzip"}, text="this is not gzip", **requests)


def longest_line(limit: int = 8190, **requests: Any) -> Fault:
    """A proxy that takes request lines up to `limit` bytes, as Apache and nginx do by default."""
    return Fault("status", status=414, text=NGINX.format("414 Request-URI Too Large"), line_over=limit, **requests)


def largest_body(limit: int = 1_048_576, **requests: Any) -> Fault:
    """A proxy that takes bodies up to `limit` bytes, as nginx does by default."""
    return Fault("status", status=413, text=NGINX.format("413 Request Entity Too Large"), body_over=limit, **requests)


CLOSED = (
    login_redirect,
    login_page,
    maintenance_page,
    moved,
    no_backend,
    no_route,
    another_express,
    health_answer,
    nothing,
    firewall,
    damaged,
)
"""Ways on which nothing gets through; each says so differently."""
