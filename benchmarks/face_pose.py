"""How faces are turned by their five points, and where these lie: percentiles of angles in degrees.

    python benchmarks/face_pose.py NAME=GLOB... [--detector YUNET.onnx] [--most 100]

Of the largest face of each picture. The last columns are how far nose and mouth lie below the eyes, and how
wide the mouth is, in distances between the eyes: of frontal faces, what `imaging/pose.py` takes for one.
"""

from __future__ import annotations

import argparse
import glob
import random

import numpy as np

from facetrust.faces.detector import Detector, find_faces, open_detector
from facetrust.imaging import read_image
from facetrust.imaging.crop import Points
from facetrust.imaging.pose import pose_of


def main() -> None:
    """Prints a row per set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--detector")
    parser.add_argument("--most", type=int, default=100)
    given = parser.parse_args()
    detector = open_detector(given.detector)
    header = ("set", "faces", "yaw p5, p50, p95", "pitch", "roll", "median of |yaw|", "nose, mouth, width")
    print(f"| {' | '.join(header)} |\n{'|---' * len(header)}|")
    for each in given.sets:
        name, _, pattern = each.partition("=")
        files = sorted(glob.glob(pattern, recursive=True))
        random.Random(0).shuffle(files)
        found = points_of(files[: given.most], detector)
        poses = np.degrees([pose for points in found if (pose := pose_of(points)) is not None])
        angles = [" ".join(f"{value:.0f}" for value in np.percentile(of, (5, 50, 95))) for of in poses.T]
        yaw = np.median(np.abs(poses[:, 0]))
        places = " ".join(f"{value:.2f}" for value in np.mean([proportions(each) for each in found], axis=0))
        print(f"| {name} ({detector.name}) | {len(poses)} | {' | '.join(angles)} | {yaw:.0f} | {places} |")


def points_of(files: list[str], detector: Detector) -> list[Points]:
    """Returns the five points of the first face of each picture that has one."""
    found = [find_faces(read_image(file), detector).faces for file in files]
    return [faces[0].points for faces in found if faces]


def proportions(points: Points) -> tuple[float, float, float]:
    """Returns how far nose and mouth lie below the eyes, and how wide the mouth is, in eye distances."""
    placed = np.asarray(points)
    across = placed[1] - placed[0]
    turn = np.array([across, (-across[1], across[0])]) / float(across @ across)
    upright = (placed - (placed[0] + placed[1]) / 2) @ turn.T
    return float(upright[2, 1]), float(upright[3:, 1].mean()), float(upright[4, 0] - upright[3, 0])


if __name__ == "__main__":
    main()
