"""Routes of the gallery: who somebody is, and whose templates are kept."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from facetrust.records import Enrolment, Identification
from facetrust.serve.answers import Forgotten, People
from facetrust.serve.desk import desk_of, place_for, refusals, written
from facetrust.serve.examples import of_files, shown
from facetrust.serve.pool import Place
from facetrust.serve.uploads import read_upload

router = APIRouter(prefix="/v1", tags=["gallery"])

Held = Annotated[Place, Depends(place_for("gallery"))]
_REFUSED = refusals(400, 401, 403, 404, 408, 413, 415, 422, 429, 503)
_SHORT = refusals(401, 403, 404, 422, 429, 503)


@router.post(
    "/identify",
    response_model=Identification,
    responses={**_REFUSED, **shown("identify")},
    openapi_extra=of_files(1),
)
async def identify(request: Request, place: Held) -> Response:
    """Says who of the gallery every face in a picture is, or that it is unknown."""
    desk = desk_of(request)
    upload = await read_upload(request, desk.settings.limits)
    return written(
        await place.run(lambda _: desk.service.identify(upload.files[0]), desk.settings.limits.work_seconds)
    )


@router.get("/gallery", response_model=People, responses=_SHORT)
async def people(request: Request, place: Held) -> Response:
    """Lists who is in the gallery, and with how many templates."""
    desk = desk_of(request)
    return written(await place.run(lambda _: desk.service.people(), desk.settings.limits.work_seconds))


@router.post(
    "/gallery/{person}",
    status_code=201,
    response_model=Enrolment,
    responses={**_REFUSED, **shown("enroll", 201)},
    openapi_extra=of_files(1, more=True),
)
async def enroll(request: Request, person: str, place: Held) -> Response:
    """Keeps a template of a person's face per picture: of all pictures, or of none. Pictures are not kept."""
    desk = desk_of(request)
    limits = desk.settings.limits
    upload = await read_upload(request, limits, most=limits.most_pictures)
    made = await place.run(lambda _: desk.service.enroll(person, upload.files), limits.work_seconds)
    return written(made, 201)


@router.delete("/gallery/{person}", response_model=Forgotten, responses=_SHORT)
async def forget(request: Request, person: str, place: Held) -> Response:
    """Deletes all templates of a person."""
    desk = desk_of(request)
    return written(await place.run(lambda _: desk.service.forget(person), desk.settings.limits.work_seconds))
