"""A reverse proxy, so that faults can be put in front of a real server."""

import requests
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
HOP_BY_HOP = {"host", "connection", "keep-alive", "content-length", "transfer-encoding", "content-encoding"}


def proxy_app(target: str) -> Starlette:
    """An application that hands every request to the server at `target`, paths and queries untouched."""
    session = requests.Session()

    def forward(method: str, url: str, headers: dict[str, str], body: bytes) -> requests.Response:
        request = requests.Request(method, url, headers=headers, data=body)
        return session.send(session.prepare_request(request), allow_redirects=False, timeout=300)

    async def handle(request: Request) -> Response:
        query = request.scope["query_string"].decode("latin-1")
        raw_path = request.scope.get("raw_path", b"").decode("latin-1").split("?", 1)[0] or request.url.path
        headers = {key: value for key, value in request.headers.items() if key not in HOP_BY_HOP}
        body = await request.body()
        url = f"{target}{raw_path}" + (f"?{query}" if query else "")
        answer = await run_in_threadpool(forward, request.method, url, headers, body)
        kept = {key: value for key, value in answer.headers.items() if key.lower() not in HOP_BY_HOP}
        return Response(answer.content, answer.status_code, kept)

    return Starlette(routes=[Route("/{path:path}", handle, methods=METHODS)])
