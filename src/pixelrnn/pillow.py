"""`.pxr` files for Pillow: after `import pixelrnn.pillow`, `Image.open("photos.pxr")` works.

The pictures of an archive are the frames of the image, in order, decoded when they are needed. An archive that holds
its model needs nothing else; for others, `use_model` says which models there are.
"""

from pathlib import PurePosixPath
from typing import Any

from PIL import Image, ImageFile

from pixelrnn.archive.archive import Archive
from pixelrnn.archive.examine import examine
from pixelrnn.codec.container import Kind, is_archive
from pixelrnn.codec.fingerprint import fingerprint
from pixelrnn.config import IMAGE_SUFFIXES
from pixelrnn.errors import ArchiveError
from pixelrnn.model.base import AbstractImageModel

__all__ = ["PxrImageFile", "use_model"]

FORMAT = "PXR"

_models: dict[bytes, AbstractImageModel] = {}


def use_model(model: AbstractImageModel) -> None:
    """Let archives that were compressed with this model be opened."""
    _models[fingerprint(model)] = model


class PxrImageFile(ImageFile.ImageFile):
    """The pictures of an archive."""

    format = FORMAT
    format_description = "PixelRNN archive"

    def _open(self) -> None:
        assert self.fp is not None
        self._archive = Archive(self.fp)
        self._model: AbstractImageModel | None = None
        self._decoded: dict[int, Image.Image] = {}  # the pictures of the group that was decoded last
        self._frames = [number for number in range(len(self._archive.members)) if self._is_picture(number)]
        if not self._frames:
            raise ArchiveError(f"{self._archive.path}: there are no pictures in it")
        self.n_frames, self.is_animated = len(self._frames), len(self._frames) > 1
        self._show(0)

    def _kind(self, number: int) -> Kind:
        member = self._archive.members[number]
        return self._archive.members[member.same_as].kind if member.kind == Kind.SAME else member.kind

    def _is_picture(self, number: int) -> bool:
        """Whether a member is one, also as the file that it was."""
        if self._kind(number) != Kind.FILE:
            return True
        if PurePosixPath(self._archive.members[number].name).suffix.lower() not in IMAGE_SUFFIXES:
            return False
        return self._opened(number) is not None

    def _opened(self, number: int) -> Image.Image | None:
        try:
            ((_, content),) = self._archive.extract(None, [number])
        except ArchiveError:  # one that is damaged takes no other with it
            return None
        picture = examine(content) if isinstance(content, bytes) else content
        return None if isinstance(picture, str) else picture

    def _show(self, frame: int) -> None:
        """Make a frame the current one: size and mode are known before anything is decoded."""
        self._picture: Image.Image | None = None
        number = self._frames[frame]
        if self._kind(number) == Kind.CODED:
            self._mode, self._size = self._archive.shape(number)
        else:
            self._picture = self._opened(number)
            assert self._picture is not None
            self._mode, self._size = self._picture.mode, self._picture.size
        found = self._archive.info(number) if self._picture is None else self._picture.info
        self.info = {}
        self.info.update(found)
        self.info["name"] = self._archive.members[number].name
        self._frame = frame
        self._exif = None  # Pillow keeps what it read for the frame before
        self.tile = []

    def _decode(self, number: int) -> Image.Image:
        """A picture of a model; those that share its stream are decoded with it, and kept until others are."""
        if number not in self._decoded:
            self._model = self._model or _models.get(self._archive.index.fingerprint) or self._own()
            wanted = [n for n in self._archive.beside(number) if self._archive.members[n].kind == Kind.CODED]
            pictures = dict(self._archive.extract(self._model, wanted))
            self._decoded = {n: each for n, each in pictures.items() if isinstance(each, Image.Image)}
        return self._decoded[number]

    def _own(self) -> AbstractImageModel:
        """The model in the archive, or a shipped one; opening a picture fetches nothing."""
        model = self._archive.model(may_fetch=False)
        if model is None:
            raise ArchiveError(
                f"{self._archive.path}: it needs the model with fingerprint {self._archive.index.fingerprint.hex()}; "
                "pixelrnn.pillow.use_model(model) makes one known"
            )
        return model

    def seek(self, frame: int) -> None:
        """Go to a picture."""
        if not 0 <= frame < self.n_frames:
            raise EOFError(f"there is no picture {frame}; there are {self.n_frames}")
        if frame != self._frame:
            self._show(frame)

    def tell(self) -> int:
        """The number of the current picture."""
        return self._frame

    def load(self) -> Any:
        """Decode the current picture, if that was not done yet."""
        if self._picture is None:
            number, members = self._frames[self._frame], self._archive.members
            self._picture = self._decode(members[number].same_as if members[number].kind == Kind.SAME else number)
        picture = self._picture
        self.im, self._mode, self._size, self.palette = picture.im, picture.mode, picture.size, picture.palette
        self.info.update(picture.info)  # transparency that is known with the pixels only
        return self.im.pixel_access(self.readonly)


Image.register_open(FORMAT, PxrImageFile, is_archive)
Image.register_extension(FORMAT, ".pxr")
