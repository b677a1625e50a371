"""What all routes share: who asks, the place that a request takes, and how an answer is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Response
from fastapi.security import HTTPBearer
from pydantic import ValidationError
from starlette.requests import HTTPConnection

from facetrust.records import Record
from facetrust.serve.attempts import Attempts
from facetrust.serve.keys import Keyring, Scope, UnknownKey
from facetrust.serve.metrics import Metrics
from facetrust.serve.pool import Place, Pool
from facetrust.serve.refusal import Refusal, Refused
from facetrust.serve.service import Service
from facetrust.serve.settings import Settings

Query = TypeVar("Query", bound=Record)

bearer = HTTPBearer(auto_error=False, description="An API key; none is needed where the server has none.")

STATUSES = {
    400: "the request cannot be read",
    401: "no API key, or an unknown one",
    403: "a key of another scope, or a page of another origin",
    404: "nobody and nothing of that name",
    408: "the body came too slowly",
    413: "too many bytes, pixels or seconds",
    415: "no picture or video of a known kind",
    422: "a picture or a setting that cannot be used",
    429: "too many requests by one key at once, or too many wrong keys from one address",
    503: "no place is free, or no answer in time",
}


class Desk:
    """The parts of a running service; `open` while it takes work."""

    def __init__(
        self, settings: Settings, service: Service, pool: Pool, keyring: Keyring | None, metrics: Metrics
    ) -> None:
        self.settings = settings
        self.service = service
        self.pool = pool
        self.keyring = keyring
        self.metrics = metrics
        self.cameras = 0
        self._attempts = Attempts(settings.limits.wrong_keys)
        self.open = False

    def client(self, asking: HTTPConnection, authorization: str | None, scope: Scope | None) -> str:
        """Returns the name of the key that asks, empty where the service knows no keys.

        Raises:
            Refusal: the key is missing, unknown, or of another scope, or many from its address were unknown.
        """
        if self.keyring is None:
            return ""
        try:
            return self.keyring.client(authorization, scope)
        except UnknownKey:
            self.metrics.wrong_keys.inc()
            self._attempts.wrong(asking.client.host if asking.client else "")
            raise


def desk_of(request: Request) -> Desk:
    """Returns the desk of the application that a request came to."""
    desk: Desk = request.app.state.desk
    return desk


def key_for(scope: Scope | None) -> Callable[..., Awaitable[str]]:
    """Returns a dependency that gives the name of the key, which must open a scope; before a body is read."""

    async def client(request: Request, _: Annotated[Any, Depends(bearer)]) -> str:
        return desk_of(request).client(request, request.headers.get("authorization"), scope)

    return client


def place_for(scope: Scope) -> Callable[..., AsyncIterator[Place]]:
    """Returns a dependency that gives a place among those who wait, to a key that opens a scope."""

    asking = Depends(key_for(scope))

    async def place(request: Request, client: str = asking) -> AsyncIterator[Place]:
        with desk_of(request).pool.place(client) as held:
            yield held

    return place


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns what the OpenAPI document says of the statuses that a route may refuse with."""
    return {status: {"model": Refused, "description": STATUSES[status]} for status in statuses}


def written(record: Record, status: int = 200) -> Response:
    """Returns a record as the command line prints it."""
    return Response(record.model_dump_json(by_alias=True), status, media_type="application/json")


def with_fields(asked: Query, fields: dict[str, list[str]]) -> Query:
    """Returns a query with the fields of a form, which count before it.

    Raises:
        Refusal: a field that is not known, or a value that it cannot have (422).
    """
    if not fields:
        return asked
    kinds = type(asked).model_fields
    if unknown := [name for name in fields if name not in kinds]:
        raise Refusal(422, f"no field of that name; known: {', '.join(kinds)} ({len(unknown)} unknown)")
    single = {name: values if name == "tasks" else values[-1] for name, values in fields.items()}
    try:
        return type(asked).model_validate({**asked.model_dump(exclude_unset=True), **single})
    except ValidationError as error:
        raise Refusal(422, first_fault(error.errors())) from None


def first_fault(errors: Any) -> str:
    """Returns the first thing that a validation found, as one line without the value that was sent."""
    where = ".".join(str(part) for part in errors[0]["loc"] if part not in ("query", "path"))
    return f"{where}: {errors[0]['msg']}" if where else str(errors[0]["msg"])
