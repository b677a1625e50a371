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
from facetrust.records.files import sha256_of, shown, write_text, write_unreadable, write_whole
from facetrust.records.folders import cache_folder, model_folder
from facetrust.records.matches import (
    Comparison,
    Decision,
    Enrolment,
    GallerySummary,
    Identification,
    Match,
    Side,
)
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
from facetrust.records.scores import Confusions, Pairs, Scores, Searches, Table, read_table

__all__ = [
    "POLICIES",
    "Box",
    "Calibration",
    "CheckReport",
    "Comparison",
    "Confusions",
    "Decision",
    "Disturbance",
    "Embedding",
    "Enrolment",
    "Face",
    "Fill",
    "GallerySummary",
    "Identification",
    "Match",
    "ModelCard",
    "NotJudged",
    "Pairs",
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
    "Searches",
    "Side",
    "Split",
    "Table",
    "Threshold",
    "Timeline",
    "Verdict",
    "VideoSummary",
    "cache_folder",
    "model_folder",
    "read_table",
    "sha256_of",
    "shown",
    "write_text",
    "write_unreadable",
    "write_whole",
]
