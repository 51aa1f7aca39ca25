"""The door: signing in and out, and the files that the sign-in page needs."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from review.access import COOKIE, Role, route
from review.errors import NotSignedIn, TooManyTries
from review.paper import render
from review.signins import SIGNED_IN_MS, SignIns

STATIC = Path(__file__).parent / "static"
# All that somebody who is not signed in may load.
OPEN_FILES = frozenset({"app.css", "app.js", "icon.svg"})


def routes() -> list[Route]:
    files = sorted(path.name for path in STATIC.iterdir() if path.is_file())
    return [
        route("/sign-in", show, Role.NOBODY),
        route("/sign-in", sign_in, Role.NOBODY, "POST"),
        route("/sign-out", sign_out, Role.VIEWER, "POST"),
        *(_file(name, Role.NOBODY if name in OPEN_FILES else Role.VIEWER) for name in files),
    ]


def _file(name: str, role: Role) -> Route:
    def file(request: Request) -> Response:
        return FileResponse(STATIC / name, headers={"Cache-Control": "private, no-cache"})

    return route(f"/static/{name}", file, role)


def show(request: Request) -> Response:
    if request.state.person.role > Role.NOBODY:
        return RedirectResponse(local_path(request.query_params.get("next", "/")), 303)
    return render(request, "signin.html", next=local_path(request.query_params.get("next", "/")))


def sign_in(request: Request) -> Response:
    form = request.state.form
    name, goal = str(form.get("name", "")), local_path(str(form.get("next", "/")))
    address = request.client.host if request.client else ""
    try:
        signed = _signins(request).sign_in(name, str(form.get("password", "")), address)
    except (NotSignedIn, TooManyTries) as error:
        status = 429 if isinstance(error, TooManyTries) else 403
        return render(request, "signin.html", status, problem=str(error), name=name[:60], next=goal)
    answer = RedirectResponse(goal, 303)
    answer.set_cookie(
        COOKIE,
        signed.secret,
        max_age=SIGNED_IN_MS // 1000,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https" or not is_this_machine(request.url.hostname or ""),
    )
    return answer


def sign_out(request: Request) -> Response:
    _signins(request).sign_out(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE)
    return answer


def local_path(given: str) -> str:
    """Where to go after signing in: a page of ours, whatever the address says."""
    is_ours = given.startswith("/") and not given.startswith(("//", "/\\"))
    return given if is_ours and given.isprintable() and "\\" not in given else "/"


def is_this_machine(host: str) -> bool:
    """Browsers keep secure cookies off plain http, which is what one machine alone speaks."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _signins(request: Request) -> SignIns:
    signins: SignIns = request.app.state.signins
    return signins
