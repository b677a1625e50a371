"""Routes that look at pictures and keep nothing: check, verify and parse."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from facetrust.records import CheckReport, Comparison
from facetrust.runtime.part_pictures import mask_png
from facetrust.serve.answers import CheckQuery, Evidence, ParsedPicture, ParseQuery, VerifyQuery
from facetrust.serve.desk import desk_of, place_for, refusals, with_fields, written
from facetrust.serve.examples import of_files, shown
from facetrust.serve.pool import Place
from facetrust.serve.refusal import Refusal
from facetrust.serve.uploads import read_upload

router = APIRouter(prefix="/v1", tags=["pictures"])

Held = Annotated[Place, Depends(place_for("check"))]
_REFUSED = refusals(400, 401, 403, 408, 413, 415, 422, 429, 503)


@router.post(
    "/check",
    response_model=CheckReport | Evidence,
    responses={**_REFUSED, **shown("check")},
    openapi_extra=of_files(1, fields=CheckQuery, videos=True),
)
async def check(request: Request, place: Held, asked: Annotated[CheckQuery, Query()]) -> Response:
    """Says of every face in a picture or video whether it is trusted, as `facetrust check --json` does."""
    desk = desk_of(request)
    upload = await read_upload(request, desk.settings.limits)
    asked = with_fields(asked, upload.fields)
    ask: Any = desk.service.check_with_evidence if asked.evidence else desk.service.check
    report = await place.run(
        lambda deadline: ask(upload.files[0], deadline, tasks=asked.tasks, policy=asked.policy),
        desk.settings.limits.work_seconds,
    )
    return written(report)


@router.post(
    "/verify",
    response_model=Comparison,
    responses={**_REFUSED, **shown("verify")},
    openapi_extra=of_files(2, fields=VerifyQuery),
)
async def verify(request: Request, place: Held, asked: Annotated[VerifyQuery, Query()]) -> Response:
    """Says whether two pictures, the files of a form, show the same person, as `facetrust verify` does."""
    desk = desk_of(request)
    upload = await read_upload(request, desk.settings.limits, fewest=2, most=2)
    asked = with_fields(asked, upload.fields)
    first, second = upload.files
    found = await place.run(
        lambda _: desk.service.verify(first, second, far=asked.far, liveness=asked.liveness),
        desk.settings.limits.work_seconds,
    )
    return written(found)


@router.post(
    "/parse",
    response_model=ParsedPicture,
    responses={**_REFUSED, **shown("parse")},
    openapi_extra=of_files(1, fields=ParseQuery),
)
async def parse(request: Request, place: Held, asked: Annotated[ParseQuery, Query()]) -> Response:
    """Finds the parts of every face: a class for every pixel, as `facetrust parse` writes it."""
    desk = desk_of(request)
    upload = await read_upload(request, desk.settings.limits)
    asked = with_fields(asked, upload.fields)

    def answer() -> Response:
        parsed = desk.service.parse(upload.files[0])
        if asked.format == "json":
            return written(ParsedPicture.of(parsed))
        if not (parsed.whole or parsed.faces):
            raise Refusal(422, "no face was found, so there is no mask")
        return Response(mask_png(parsed), media_type="image/png")

    return await place.run(lambda _: answer(), desk.settings.limits.work_seconds)
