"""Routes about the service itself: its models, whether it runs and takes work, and what it counted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from facetrust.serve.answers import Models, State
from facetrust.serve.desk import desk_of, key_for, refusals, written

router = APIRouter(tags=["service"])


@router.get("/v1/models", response_model=Models, responses=refusals(401, 403, 429))
async def models(request: Request, _: Annotated[str, Depends(key_for("check"))]) -> Response:
    """Returns the cards of the models: what they judge, thresholds, figures, and each file's SHA-256."""
    return written(Models(models=tuple(desk_of(request).service.cards)))


@router.get("/healthz", response_model=State)
async def healthz() -> State:
    """Says that the service runs."""
    return State(status="ok")


@router.get("/readyz", response_model=State, responses={503: {"model": State}})
async def readyz(request: Request) -> Response:
    """Says whether the models are open and a place is free (200), or not (503)."""
    desk = desk_of(request)
    full = desk.pool.held >= desk.pool.places
    state = State(status="full" if full else "ok" if desk.open else "starting")
    return written(state, 200 if state.status == "ok" else 503)


@router.get("/metrics", response_class=Response, responses=refusals(401, 429))
async def metrics(request: Request, _: Annotated[str, Depends(key_for(None))]) -> Response:
    """Returns what was counted, in Prometheus' text format."""
    return Response(desk_of(request).metrics.text(), media_type=CONTENT_TYPE_LATEST)
