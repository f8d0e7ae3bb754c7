"""The operations of the service as OpenAPI 3.1 describes them: from the same table that its routes are made of."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pixelrnn import __version__

__all__ = ["Field", "Operation", "described"]


class Field(NamedTuple):
    """A parameter of an operation: in the address, the form or the JSON.

    Attributes:
        name: Its name.
        kind: Its type, as JSON schemas call it.
        what: What it is.
        default: What it is if it is not given.
        allowed: Further keywords of its schema: which values are allowed.
    """

    name: str
    kind: str
    what: str
    default: Any = None
    allowed: Mapping[str, Any] = {}


class Operation(NamedTuple):
    """What can be asked for.

    Attributes:
        path: Where.
        name: Its name.
        what: What it does.
        answer: Content type of what it answers with.
        fields: Its parameters.
        files: What the files of a request are; empty if it brings none.
        answers: JSON schema of what it answers with, where that is JSON.
        formats: Other content types of what it answers with, by its parameters.
    """

    path: str
    name: str
    what: str
    answer: str = "application/json"
    fields: Sequence[Field] = ()
    files: str = ""
    answers: dict[str, Any] | None = None
    formats: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """The names of its parameters."""
        return [field.name for field in self.fields]


ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
REFUSALS = {
    "401": "the token is missing or wrong",
    "403": "the request comes from a page of another origin, or by a name that is not that of the service",
}
FAILURES = REFUSALS | {
    "400": "the request cannot be read, or a field is wrong, or more is asked for than may be: `error` says which",
    "413": "the request is too large",
    "422": "no picture of the request can be used: `error` says why",
    "503": "too much waits already; `retry-after` says when to come again",
}


def described(operations: Sequence[Operation], model: str) -> dict[str, Any]:
    """The description of all operations."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"PixelRNN: {model}",
            "version": __version__,
            "description": "Exact probability of pictures: scores, maps, lossless archives, completions, samples.",
        },
        "paths": {each.path: {"post" if each.files or each.fields else "get": _operation(each)} for each in operations},
        "components": {
            "schemas": {"Error": ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": operation.answers} if operation.answers else {}
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.what,
        "responses": {
            "200": {
                "description": operation.what,
                "content": {operation.answer: content} | {each: {} for each in operation.formats},
            }
        },
    }
    is_asked = not operation.files and not operation.fields
    failure = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    failures = REFUSALS if is_asked else FAILURES
    found["responses"] |= {status: {"description": why, "content": failure} for status, why in failures.items()}
    if is_asked:
        return found
    found["parameters"] = [
        {"name": field.name, "in": "query", "description": field.what, "schema": _schema(field)}
        for field in operation.fields
    ]
    found["requestBody"] = {"content": _bodies(operation)}
    return found


def _schema(field: Field) -> dict[str, Any]:
    return {"type": field.kind, **field.allowed} | ({} if field.default is None else {"default": field.default})


def _bodies(operation: Operation) -> dict[str, Any]:
    """The forms in which a request may come."""
    fields = {field.name: _schema(field) | {"description": field.what} for field in operation.fields}
    if not operation.files:
        kinds = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
        return {kind: {"schema": {"type": "object", "properties": fields}} for kind in kinds}
    binary = {"type": "string", "contentMediaType": "application/octet-stream", "description": operation.files}
    file = {
        "type": "object",
        "required": ["name", "content"],
        "properties": {"name": {"type": "string"}, "content": {"type": "string", "contentEncoding": "base64"}},
    }
    parts = {"type": "object", "properties": fields, "additionalProperties": binary}
    files = {"files": {"type": "array", "items": file, "description": operation.files}}
    return {
        "multipart/form-data": {"schema": parts},
        "application/json": {"schema": {"type": "object", "properties": files | fields}},
        "application/octet-stream": {"schema": binary},
    }
