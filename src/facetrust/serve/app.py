"""The application: its routes, what stands around them, and how errors are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from facetrust import __version__
from facetrust.serve import camera, checks, people, state, words
from facetrust.serve.desk import Desk, first_fault
from facetrust.serve.guard import Guard
from facetrust.serve.keys import Keyring
from facetrust.serve.metrics import Metrics
from facetrust.serve.pool import Pool
from facetrust.serve.refusal import Refusal
from facetrust.serve.service import Service
from facetrust.serve.settings import Settings
from facetrust.serve.workers import Workers

PAGE = Path(__file__).parent / "page"

_ABOUT = """Questions about faces in pictures and videos, by models that run here. Bytes in, JSON out, as the
command line prints it. Pictures are not kept. A refusal is one line, `{"error": "…"}`."""


def app_of(settings: Settings) -> FastAPI:
    """Returns the application with its models open; see `facetrust.serve.create_app`."""
    settings.check_reach()
    keyring = None if settings.keys is None else Keyring(settings.keys)
    pool = Pool(settings.at_work, settings.limits.waiting)
    service = Workers(settings).service if settings.isolated else Service(settings)
    desk = Desk(settings, service, pool, keyring, Metrics(pool))

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(desk.service.warm)
        desk.open = True
        yield
        desk.open = False
        pool.close()
        desk.service.close()

    app = FastAPI(
        title="facetrust",
        version=__version__,
        description=_ABOUT,
        docs_url=None,  # Their pages load scripts from another host.
        redoc_url=None,
        lifespan=life,
    )
    app.state.desk = desk
    app.add_middleware(Guard, local=keyring is None, metrics=desk.metrics)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http)
    for room in (checks, people, camera, state, words):
        app.include_router(room.router)
    if (PAGE / "index.html").is_file():
        _add_page(app)
    return app


def _add_page(app: FastAPI) -> None:
    """Adds the files of the web page; by any other name there is no route."""
    files = {path.name: path for path in PAGE.iterdir() if path.is_file()}

    @app.get("/", include_in_schema=False)
    @app.get("/{name}", include_in_schema=False)
    async def page(name: str = "index.html") -> FileResponse:
        if name not in files:
            raise HTTPException(404)
        return FileResponse(files[name])


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return JSONResponse({"error": error.line}, error.status, headers=error.headers)


def _not_valid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"error": first_fault(error.errors())}, 422)


def _http(request: Request, error: Exception) -> JSONResponse:
    """What the framework itself refuses: no such route (404), or not by this method (405)."""
    assert isinstance(error, HTTPException)
    said = {404: "no such route; see /openapi.json", 405: "this route does not take this method"}
    line = said.get(error.status_code, str(error.detail))
    return JSONResponse({"error": line}, error.status_code, headers=error.headers)
