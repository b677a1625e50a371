"""The route that says verdicts and reasons in plain words, for pages that show them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from facetrust.runtime.words import words

router = APIRouter(tags=["service"])


@router.get("/v1/words", response_model=dict[str, Any])
async def plain_words() -> JSONResponse:
    """Returns what each question, answer and reason means to readers who know none of the field's words."""
    return JSONResponse(words())
