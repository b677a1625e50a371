"""The page's words: verdicts and reasons as sentences, from where the evidence report has them."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from facetrust.runtime.words import words

router = APIRouter()


@router.get("/words.json", include_in_schema=False)
async def plain_words() -> JSONResponse:
    """Returns what each question, answer and reason means to readers who know none of the field's words."""
    return JSONResponse(words())
