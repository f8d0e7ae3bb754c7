"""What a request brings: files and fields, as multipart, as JSON, or one file as it is."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from pixelrnn.errors import PixelRNNError
from pixelrnn.service.openapi import Operation
from pixelrnn.studio.asked import Asked
from pixelrnn.studio.safety import PASS, TooLargeError

__all__ = ["MOST_FILES", "MOST_IMAGES", "BusyError", "Cell", "Upload", "WrongError", "read_upload"]

MOST_FILES = 1_024  # of a request
MOST_FIELDS = 64
MOST_IMAGES = 256  # that are drawn at once
ESCAPED = {"%0A": "\n", "%0D": "\r", "%22": '"'}  # how a form writes what would end the name of a file


class WrongError(PixelRNNError):
    """A request that cannot be read, or asks for what is not there."""


class BusyError(PixelRNNError):
    """More is asked for than is done in time."""


class Upload(NamedTuple):
    """What a request brings.

    Attributes:
        files: Content of each file, by its name, in order.
        fields: All else: of the address, and of the form or the JSON.
    """

    files: dict[str, bytes]
    fields: Asked

    def file(self, name: str) -> bytes:
        """A file of some name; raises `WrongError` if there is none."""
        if name not in self.files:
            raise WrongError(f"there is no file {name}")
        return self.files[name]

    def pictures(self) -> dict[str, bytes]:
        """All files; raises `WrongError` if there are none."""
        if not self.files:
            raise WrongError("there is no picture: send one as it is, or some as multipart/form-data or JSON")
        return self.files


class Cell(NamedTuple):
    """A picture to be scored.

    Attributes:
        content: Its file.
        label: Number of its label; None of a model without, or if it is measured without.
    """

    content: bytes
    label: int | None


async def read_upload(request: Request, operation: Operation) -> Upload:
    """The files and fields of a request for an operation.

    `multipart/form-data` has files, each called by its file name, or by the name of its field if that is no general
    one, and fields. JSON has `files`, a list of objects with a `name` and base64 `content`. Anything else is one file,
    called by the field `name` of the address; or fields of a form, if the operation takes no files.

    Raises:
        WrongError: If it is not of these forms, or brings too many files, or what the operation does not take.
    """
    upload = await _read(request, takes_files=bool(operation.files))
    allowed = [*operation.names, *(["files", "name"] if operation.files else [])]
    if odd := next((name for name in upload.fields.names if name not in (*allowed, PASS)), None):
        raise WrongError(f"{odd!r:.60} is no field of {operation.path}; {', '.join(allowed) or 'none'} may be given")
    if upload.files and not operation.files:
        raise WrongError(f"{operation.path} takes no files")
    return upload


async def _read(request: Request, *, takes_files: bool) -> Upload:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    fields = {name: _value(text) for name, text in request.query_params.items()}
    try:
        if kind == "multipart/form-data":
            return await _of_form(request, fields)
        if kind == "application/json":
            given = await request.json()
            if not isinstance(given, Mapping):
                raise WrongError("JSON is an object of named fields here")
            fields |= given
            files = dict(Asked(fields).files("files", MOST_FILES, are_whole=True)) if "files" in fields else {}
            return Upload(files, Asked(fields))
        content = await request.body()
        if kind == "application/x-www-form-urlencoded" and not takes_files:  # as programs call any content, too
            fields |= {name: _value(text) for name, text in parse_qsl(content.decode(), keep_blank_values=True)}
            return Upload({}, Asked(fields))
    except ClientDisconnect as error:
        raise WrongError("the request was not finished") from error
    except (HTTPException, MultiPartException) as error:
        raise WrongError(f"the form cannot be read ({getattr(error, 'detail', error)})") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, PixelRNNError | TooLargeError):
            raise
        raise WrongError(f"the request cannot be read ({error})") from error
    name = str(fields.get("name", "picture"))
    return Upload({name: content} if content else {}, Asked(fields))


async def _of_form(request: Request, fields: dict[str, Any]) -> Upload:
    files = dict[str, bytes]()
    _, options = parse_options_header(request.headers["content-type"])
    boundary = options.get(b"boundary", b"")
    if boundary and b"--" + boundary + b"--" not in await request.body():  # else an unfinished file would be left out
        raise WrongError("the form was not finished: its last boundary is missing")
    # A file may be as large as the request, which is bounded itself.
    async with request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS) as form:
        for field, part in form.multi_items():
            if not isinstance(part, UploadFile):
                fields[field] = _value(part)
                continue
            name = field if field in ("picture", "mask") else _named(part.filename) or field
            if name in files:
                raise WrongError(f"two files are called {name!r:.60}; rename one")
            files[name] = await part.read()
    return Upload(files, Asked(fields))


def _named(filename: str | None) -> str:
    """The name of a file of a form."""
    name = filename or ""
    for escaped, character in ESCAPED.items():
        name = name.replace(escaped, character)
    return name


def _value(text: str) -> Any:
    """A field of an address or a form, which has no types: a number if it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
