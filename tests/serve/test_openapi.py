"""The OpenAPI document: valid, whole, and enough to write a client from."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from facetrust.model_file import bundled

pytestmark = pytest.mark.skipif(len(bundled()) < 4, reason="no students are bundled")


@pytest.fixture(scope="module")
def document(client) -> dict[str, Any]:
    return client.get("/openapi.json").json()


class Client:
    """Calls operations by their names, as the document says: where to, how, and with what."""

    def __init__(self, document: dict[str, Any], send: Any) -> None:
        self._document = document
        self._send = send
        self._operations = {
            operation["operationId"].split("_v1")[0]: (method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def call(self, name: str, *files: bytes, **values: Any) -> httpx2.Response:
        method, path, operation = self._operations[name]
        query = {}
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in values:
                value = values.pop(parameter["name"])
                if parameter["in"] == "path":
                    path = path.replace(f"{{{parameter['name']}}}", value)
                else:
                    query[parameter["name"]] = value
        assert not values, f"{name} does not know {list(values)}"
        how: dict[str, Any] = {}
        if "requestBody" in operation:
            (field,) = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["required"]
            how["files"] = [(field, (f"{n}", data)) for n, data in enumerate(files)]
        answer = self._send(method.upper(), path, params=query, **how)
        said = operation["responses"][str(answer.status_code)]  # Every status is in the document.
        if answer.headers["content-type"] == "application/json" and "content" in said:
            self.check(answer.json(), said["content"]["application/json"]["schema"])
        return answer

    def check(self, value: Any, schema: dict[str, Any]) -> None:
        """Checks an answer against a schema of the document."""
        whole = {**schema, "components": self._document["components"]}
        Draft202012Validator(whole).validate(value)


@pytest.fixture(scope="module")
def api(client, document) -> Client:
    return Client(document, client.request)


def test_the_document_is_valid(document):
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/v1/check", "/v1/verify", "/v1/identify", "/v1/parse", "/v1/models", "/v1/gallery",
        "/v1/gallery/{person}", "/healthz", "/readyz", "/metrics",
    }  # fmt: skip


def test_a_client_made_from_the_document_alone_asks_everything(api, face_jpeg):
    assert api.call("check", face_jpeg, tasks=["antispoof"], policy="strict").json()["trusted"] is not None
    maps = api.call("check", face_jpeg, evidence=True).json()["maps"]
    assert [each["task"] for each in maps] == ["antispoof"]  # The face is too small for the other question.
    assert api.call("verify", face_jpeg, face_jpeg, far=0.01).json()["decision"] == "same"
    assert api.call("parse", face_jpeg).json()["complete"] is True
    assert api.call("parse", face_jpeg, format="png").content.startswith(b"\x89PNG")
    assert api.call("enroll", face_jpeg, face_jpeg, person="Ada").status_code == 201
    assert api.call("identify", face_jpeg).json()["matches"][0]["name"] == "Ada"
    assert api.call("people").json()["people"] == {"Ada": 2}
    assert api.call("forget", person="Ada").json()["templates"] == 2
    assert api.call("forget", person="Ada").status_code == 404
    assert len(api.call("models").json()["models"]) == len(bundled())
    assert api.call("check", b"nothing").status_code == 415
    assert api.call("check", face_jpeg, tasks=["x"]).status_code == 422


def test_the_examples_are_what_is_answered(api, document, portrait_png):
    real = {
        "/v1/check": api.call("check", portrait_png),
        "/v1/verify": api.call("verify", portrait_png, portrait_png),
        "/v1/parse": api.call("parse", portrait_png),
        "/v1/gallery/{person}": api.call("enroll", portrait_png, person="Ada"),
        "/v1/identify": api.call("identify", portrait_png),
    }
    api.call("forget", person="Ada")
    for path, answer in real.items():
        content = document["paths"][path]["post"]["responses"][str(answer.status_code)]["content"]
        example = content["application/json"]["example"]
        api.check(example, content["application/json"]["schema"])
        assert shape(example) == shape(answer.json()), path


def shape(value: Any) -> Any:
    """Returns keys and kinds without the numbers, of a list those of its first entry; nulls are left out."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items() if key != "timings" and each is not None}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return "number" if type(value) in (int, float) else type(value).__name__


def test_every_route_of_pictures_and_people_asks_for_a_key_and_says_how_it_refuses(document):
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert ("security" in operation) == (path not in ("/healthz", "/readyz"))
            if path.startswith("/v1/"):
                assert {"401", "403", "429"} <= set(operation["responses"])
            if "requestBody" in operation:
                assert {"400", "408", "413", "415", "422", "429", "503"} <= set(operation["responses"])


def test_the_document_leads_nowhere_else(document):
    assert not re.search(r"https?://", str(document))
