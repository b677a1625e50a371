"""The nouns: what is handed from one part to the next, and how it is written down.

Score direction, fixed once: higher means more likely attack, manipulated or generated; in
recognition, the same person. A decision is `score >= threshold`.
"""

from facetrust.records.cards import (
    POLICIES,
    Calibration,
    Fill,
    ModelCard,
    Policy,
    Preprocessing,
    Result,
    Threshold,
)
from facetrust.records.files import sha256_of, write_text, write_unreadable, write_whole
from facetrust.records.quality import Quality, QualityLimits
from facetrust.records.reports import (
    CheckReport,
    Embedding,
    Face,
    NotJudged,
    Parts,
    Timeline,
    Verdict,
    VideoSummary,
)
from facetrust.records.samples import Box, Disturbance, Point, Provenance, Record, Sample, Split
from facetrust.records.scores import Confusions, Scores, Table, read_table

__all__ = [
    "POLICIES",
    "Box",
    "Calibration",
    "CheckReport",
    "Confusions",
    "Disturbance",
    "Embedding",
    "Face",
    "Fill",
    "ModelCard",
    "NotJudged",
    "Parts",
    "Point",
    "Policy",
    "Preprocessing",
    "Provenance",
    "Quality",
    "QualityLimits",
    "Record",
    "Result",
    "Sample",
    "Scores",
    "Split",
    "Table",
    "Threshold",
    "Timeline",
    "Verdict",
    "VideoSummary",
    "read_table",
    "sha256_of",
    "write_text",
    "write_unreadable",
    "write_whole",
]
