"""Folders as archives: every file again, whatever it is, and nothing but those files."""

import dataclasses
import errno
import io
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pixelrnn.archive import archive as archive_module
from pixelrnn.archive import coding, files, restore
from pixelrnn.archive import compress as module
from pixelrnn.archive.archive import Archive
from pixelrnn.archive.compress import PackedModel, compress
from pixelrnn.archive.examine import examine
from pixelrnn.archive.files import find
from pixelrnn.archive.ingest import Ingest
from pixelrnn.archive.ordinary import Ordinary
from pixelrnn.archive.restore import check, decompress, select
from pixelrnn.codec.coder import Coder
from pixelrnn.codec.container import Kind, pack_index
from pixelrnn.codec.weights import pack_model, unpack_model
from pixelrnn.config import Writing
from pixelrnn.errors import ArchiveError, RunError
from pixelrnn.progress import Reporter
from tests.conftest import build


@pytest.fixture(scope="module")
def grey():
    """A grey model that holds dark pixels likely: small pictures of them are smaller with it than as PNG."""
    return build(architecture="row-lstm", shape=(1, 6, 6), levels=256, layers=1, output="logistic-mixture").float()


@pytest.fixture(scope="module")
def colour():
    return build(architecture="pixelcnn", shape=(3, 6, 6), levels=256, layers=1, output="logistic-mixture").float()


def picture(*size, mode="L", seed=0):
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "LA": (2,)}[mode]
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, *channels), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Of everything."""
    source = tmp_path / "source"
    (source / "sub" / "deep").mkdir(parents=True)
    for number in range(70):
        picture(5, 6, seed=number).save(source / f"{number:03d}.png")
    picture(5, 6, seed=100).save(source / "sub" / "a.bmp")
    picture(5, 6, seed=101).save(source / "sub" / "a.png")
    picture(5, 6, seed=102).save(source / "sub" / "a.tif")
    picture(5, 6, seed=103).convert("1").save(source / "sub" / "deep" / "one.png")
    picture(60, 7, seed=104).save(source / "sub" / "tiles.png")
    picture(6, 6, seed=105).quantize(5).save(source / "palette.png")
    picture(8, 9, mode="RGB").save(source / "colour.png")
    picture(8, 9, mode="LA").save(source / "opacity.png")
    Image.new("L", (1, 1), 7).save(source / "1x1.png")
    Image.fromarray(np.arange(81, dtype=np.uint16).reshape(9, 9) * 700).save(source / "16bit.png")
    Image.new("CMYK", (9, 9), (1, 2, 3, 4)).save(source / "cmyk.jpg")
    Image.new("L", (5, 5)).save(source / "moving.gif", save_all=True, append_images=[Image.new("L", (5, 5), 9)])
    Image.new("L", (64, 64), 200).save(source / "flat.png")
    (source / "notes.txt").write_text("hello")
    (source / "empty.png").touch()
    content = (source / "000.png").read_bytes()
    (source / "torn.png").write_bytes(content[: len(content) // 2])
    (source / "copy.png").write_bytes(content)
    (source / "sub" / "link.png").symlink_to("../001.png")
    (source / "loop").symlink_to("..")
    return source


RENAMED = {"sub/a.bmp": "sub/a.bmp.png", "sub/a.tif": "sub/a.tif.png"}


def restored_name(name):
    return RENAMED.get(name, name)


def assert_same(before, after):
    """The same bytes, or the same picture."""
    if before.read_bytes() == after.read_bytes():
        return
    with Image.open(before) as a, Image.open(after) as b:
        assert (a.mode, a.size, a.tobytes(), a.getpalette()) == (b.mode, b.size, b.tobytes(), b.getpalette())
        assert a.info.get("transparency") == b.info.get("transparency")


@pytest.mark.parametrize("which", ["grey", "colour"])
def test_everything_comes_back(which, folder, tmp_path, request):
    model, out = request.getfixturevalue(which), tmp_path / "a.pxr"
    done = compress(model, folder, out)
    with Archive(out) as archive:
        decompress(archive, model, tmp_path / "out")
        kinds = {member.name: member.kind for member in archive.members}
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert found == sorted(map(restored_name, names))
    for name in names:
        assert_same(folder / name, tmp_path / "out" / restored_name(name))
    assert done.files == len(names)
    assert done.same == 2
    assert done.links == 1
    assert done.renamed == {"sub/a.bmp": "sub/a.bmp.png", "sub/a.tif": "sub/a.tif.png"}
    assert done.weights == 0
    assert done.size == out.stat().st_size
    assert done.original == sum((folder / name).stat().st_size for name in names)
    assert [line for line in done.skipped if "loop: a link to a folder" in line]
    assert kinds["copy.png"] == kinds["sub/link.png"] == Kind.SAME
    assert kinds["notes.txt"] == kinds["16bit.png"] == kinds["torn.png"] == kinds["empty.png"] == Kind.FILE
    if which == "grey":  # three channels cost more than the whole PNG
        assert kinds["003.png"] == kinds["sub/deep/one.png"] == Kind.CODED
    assert done.coded == list(kinds.values()).count(Kind.CODED)
    assert sum(map(len, done.kept.values())) + done.coded + done.same == done.files
    reasons = {
        "not an image": ("empty.png", "notes.txt"),
        "a damaged image": ("torn.png",),
        "several frames": ("moving.gif",),
        "more than 8 bits a value": ("16bit.png",),
        "mode CMYK": ("cmyk.jpg",),
    }
    assert reasons.items() <= done.kept.items()


def test_what_the_model_would_enlarge_is_kept_as_it_is_smallest(grey, tmp_path):
    """One picture of a group, and all tiles of a large one."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(5):
        picture(24, 6, seed=number).save(source / f"{number}.png")
    Image.new("L", (6, 24), 100).save(source / "5.png")
    Image.new("L", (100, 100), 255).save(source / "6.bmp")
    picture(24, 6, seed=7).save(source / "7.png")
    done = compress(grey, source, tmp_path / "a.pxr")
    assert done.kept == {"larger with the model": ("5.png", "6.bmp")}
    with Archive(tmp_path / "a.pxr") as archive:
        assert [member.kind for member in archive.members] == [0, 0, 0, 0, 0, Kind.FILE, Kind.IMAGE, 0]
        assert archive.index.shared == (6,)
        png = Ordinary((source / "6.bmp").read_bytes(), examine((source / "6.bmp").read_bytes())).smallest()
        assert archive.listing()[6].bytes == len(png) < 1000
        contents = dict(archive.extract(grey))
    for number in range(8):
        with Image.open(next(source.glob(f"{number}.*"))) as before:
            after = contents[number]
            assert (after if isinstance(after, bytes) else after.tobytes()) == (
                (source / "5.png").read_bytes() if number == 5 else before.tobytes()
            )


def test_size_is_what_the_model_says(grey, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(130):
        picture(6, 6, seed=number).save(source / f"{number:04d}.png")
    done = compress(grey, source, tmp_path / "a.pxr")
    assert done.coded == 130
    assert done.size <= 1.005 * done.coded_bits / 8 + 24 * 130


def test_only_what_is_wanted_is_decoded(grey, folder, tmp_path, monkeypatch):
    compress(grey, folder, tmp_path / "a.pxr")
    decoded = []
    decode = Coder.decode
    monkeypatch.setattr(Coder, "decode", lambda *a, **of: decoded.append(a[2]) or decode(*a, **of))
    with Archive(tmp_path / "a.pxr") as archive:
        restored = decompress(archive, grey, tmp_path / "one", wanted=select(archive, ["sub/tiles.png"]))
        assert restored.files == (tmp_path / "one" / "sub" / "tiles.png",)
        assert {shape[1:] for shape in decoded} == {(1, 24, 7), (1, 12, 7)}
        decoded.clear()
        decompress(archive, grey, tmp_path / "two", wanted=select(archive, ["copy.png", "notes.txt"]))
        assert [shape[0] for shape in decoded] == [64]
        decoded.clear()
        decompress(archive, None, tmp_path / "three", wanted=select(archive, ["notes.txt"]))
        assert decoded == []
        assert len(select(archive, ["sub"])) == 6
    assert_same(folder / "sub" / "tiles.png", tmp_path / "one" / "sub" / "tiles.png")
    assert_same(folder / "copy.png", tmp_path / "two" / "copy.png")


def test_members_are_named_in_many_ways(grey, folder, tmp_path):
    picture(24, 6, seed=1).save(folder / "[1].png")
    compress(grey, folder, tmp_path / "a.pxr")
    with Archive(tmp_path / "a.pxr") as archive:

        def found(*names):
            return {archive.members[number].name for number in select(archive, names)}

        assert found("sub") == found("sub/") == found("sub/*")
        assert len(found("sub")) == 6
        assert found("00[12].png", "notes.*") == {"001.png", "002.png", "notes.txt"}
        assert found("*/one.png") == {"sub/deep/one.png"}
        assert found("[1].png") == {"[1].png"}
        with pytest.raises(ArchiveError, match=r"no 'sub/a\.bmp' in it; perhaps it became 'sub/a\.bmp\.png'"):
            found("sub/a.bmp")
        for name in ("nothing", "*.nothing", "", ".", "..", "sub/nothing.bmp"):
            with pytest.raises(ArchiveError, match="there is no"):
                select(archive, [name])


@pytest.fixture
def damaged(grey, folder, tmp_path):
    """An archive whose first group of 64 pictures is damaged, and so is a file that is kept as it was."""
    path = tmp_path / "damaged.pxr"
    compress(grey, folder, path)
    content = bytearray(path.read_bytes())
    with Archive(path) as archive:
        number = next(n for n, member in enumerate(archive.members) if member.name == "notes.txt")
        content[archive._offsets[archive.first_stream] + 3] ^= 1
        content[archive._offsets[archive._pieces[number]]] ^= 1
        broken = {archive.members[number].name for number in archive.beside(0)}
    path.write_bytes(content)
    return path, broken | {"notes.txt", "copy.png"} | ({"sub/link.png"} if "001.png" in broken else set())


def test_damage_is_told_and_spares_the_rest(grey, folder, damaged, tmp_path):
    path, broken = damaged
    with Archive(path) as archive:
        everything = {member.name for member in archive.members}
        restored = decompress(archive, grey, tmp_path / "out")
        assert {
            line.split(": ")[1].removesuffix(" is damaged (its bytes are not those that were written)")
            for line in restored.damaged
        } == broken
        assert all(line.startswith(f"{path}: ") for line in restored.damaged)
        there = {file.relative_to(tmp_path / "out").as_posix() for file in restored.files}
        assert there == everything - broken
        assert len(broken) >= 66
        assert check(archive, grey) == restored.damaged
        assert check(archive, grey, wanted=select(archive, ["sub/tiles.png"])) == ()
        with pytest.raises(ArchiveError, match=r"damaged\.pxr: .* is damaged"):
            list(archive.extract(grey))
    for name in everything - broken:
        assert_same(folder / {v: k for k, v in RENAMED.items()}.get(name, name), tmp_path / "out" / name)


def test_a_picture_that_is_damaged_in_two_places_is_told_once(grey, tmp_path, monkeypatch):
    monkeypatch.setattr(Ordinary, "smallest", lambda self: bytes(2 * len(self._content)))  # the model is smaller
    path, wide = tmp_path / "a.pxr", tmp_path / "wide.png"
    picture(24, 70 * 12).save(wide)  # 70 tiles, 32 in a group
    compress(grey, wide, path)
    content = bytearray(path.read_bytes())
    with Archive(path) as archive:
        assert len(archive.index.pieces) == 3
        for stream in range(2):
            content[archive._offsets[archive.first_stream + stream]] ^= 1
    path.write_bytes(content)
    with Archive(path) as archive:
        assert len(check(archive, grey)) == 1


def test_a_damaged_model_spares_what_it_does_not_code(folder, tmp_path):
    content = pack_model(build(architecture="row-lstm", shape=(1, 6, 6), levels=256, layers=1).float(), 8)
    path = tmp_path / "a.pxr"
    compress(unpack_model(content), folder, path, packed=PackedModel(content))
    damaged = bytearray(path.read_bytes())
    with Archive(path) as archive:
        damaged[archive._offsets[0] + 9] ^= 1
    path.write_bytes(damaged)
    with Archive(path) as archive:
        coded = {number for number, member in enumerate(archive.members) if member.kind == Kind.CODED}
        told = decompress(archive, None, tmp_path / "out").damaged
        assert len(told) >= len(coded) > 0
        assert all("the model in the archive is damaged" in line for line in told)
        assert (tmp_path / "out" / "notes.txt").read_text() == "hello"


def test_files_that_are_there_may_stay(grey, folder, tmp_path):
    compress(grey, folder, tmp_path / "a.pxr")
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    (out / "003.png").write_text("mine")
    with Archive(tmp_path / "a.pxr") as archive:
        restored = decompress(archive, grey, out, skip_existing=True)
        assert restored.left == (out / "003.png", out / "notes.txt")
        assert len(restored.files) == len(archive.members) - 2
        assert restored.size == sum(path.stat().st_size for path in restored.files)
    assert (out / "notes.txt").read_text() == (out / "003.png").read_text() == "mine"
    assert_same(folder / "004.png", out / "004.png")


def test_a_file_that_appears_meanwhile_is_not_replaced(grey, folder, tmp_path):
    compress(grey, folder, tmp_path / "a.pxr")
    with Archive(tmp_path / "a.pxr") as archive, pytest.raises(RunError, match=r"003\.png cannot be written \(File ex"):
        decompress(archive, grey, tmp_path / "out", callback=lambda *_: late(tmp_path / "out" / "003.png"))
    assert (tmp_path / "out" / "003.png").read_text() == "mine"
    with pytest.raises(RunError, match=r"b\.pxr cannot be written \(File exists\)"):
        compress(grey, folder, tmp_path / "b.pxr", callback=lambda *_: late(tmp_path / "b.pxr"))
    assert (tmp_path / "b.pxr").read_text() == "mine"


def test_a_file_that_appears_meanwhile_may_stay(grey, folder, tmp_path):
    compress(grey, folder, tmp_path / "a.pxr")
    mine = tmp_path / "out" / "003.png"
    with Archive(tmp_path / "a.pxr") as archive:
        restored = decompress(archive, grey, tmp_path / "out", skip_existing=True, callback=lambda *_: late(mine))
        assert restored.left == (mine,)
        assert len(restored.files) == len(archive.members) - 1
    assert mine.read_text() == "mine"


def late(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")


def test_a_model_is_needed_and_must_be_the_right_one(grey, colour, folder, tmp_path):
    compress(grey, folder, tmp_path / "a.pxr")
    with Archive(tmp_path / "a.pxr") as archive:
        with pytest.raises(ArchiveError, match=r"a\.pxr: the model with fingerprint"):
            decompress(archive, None, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        with pytest.raises(ArchiveError, match=r"a\.pxr: it was compressed with another model"):
            decompress(archive, colour, tmp_path / "out")


def test_nothing_is_overwritten(grey, folder, tmp_path):
    out = tmp_path / "a.pxr"
    compress(grey, folder / "003.png", out)
    with pytest.raises(ArchiveError, match=r"a\.pxr exists"):
        compress(grey, folder, out)
    compress(grey, folder / "004.png", out, writing=Writing(overwrite=True))
    with Archive(out) as archive:
        decompress(archive, grey, tmp_path)
        with pytest.raises(ArchiveError, match=r"004\.png exists"):
            decompress(archive, grey, tmp_path)
        with pytest.raises(ArchiveError, match=r"a\.pxr is a file; `out` names a folder"):
            decompress(archive, grey, out)
        decompress(archive, grey, tmp_path, overwrite=True)


def test_only_archives_are_overwritten(grey, folder, tmp_path):
    """A slip of the hand: the name of a picture of the folder itself."""
    before = (folder / "003.png").read_bytes()
    with pytest.raises(ArchiveError, match=r"003\.png is no \.pxr file, and is not replaced"):
        compress(grey, folder, folder / "003.png", writing=Writing(overwrite=True))
    assert (folder / "003.png").read_bytes() == before
    (tmp_path / "empty").touch()
    compress(grey, folder, tmp_path / "empty", writing=Writing(overwrite=True))


def test_the_archive_may_lie_in_the_folder(grey, folder, tmp_path):
    for _ in range(2):
        compress(grey, folder, folder / "a.pxr", writing=Writing(overwrite=True))
        with Archive(folder / "a.pxr") as archive:
            assert "a.pxr" not in [member.name for member in archive.members]


@pytest.mark.parametrize("when", [0, 1, 5])
def test_an_interrupt_leaves_nothing(grey, folder, tmp_path, when):
    calls = []

    def stop(at):
        calls.append(at)
        if len(calls) > when:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        compress(grey, folder, out / "a.pxr", callback=stop)
    assert list(out.iterdir()) == []


def test_a_link_in_the_folder_does_not_lead_out_of_it(grey, folder, tmp_path):
    compress(grey, folder, tmp_path / "a.pxr")
    out = tmp_path / "out"
    out.mkdir()
    (out / "sub").symlink_to(tmp_path)
    with Archive(tmp_path / "a.pxr") as archive, pytest.raises(ArchiveError, match="leads out of the folder"):
        decompress(archive, grey, out)
    (out / "sub").unlink()
    (out / "003.png").symlink_to(tmp_path / "target")
    with Archive(tmp_path / "a.pxr") as archive, pytest.raises(ArchiveError, match="is a link, and is not replaced"):
        decompress(archive, grey, out)
    assert not (tmp_path / "target").exists()


def test_what_cannot_be_read(grey, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    with pytest.raises(ArchiveError, match="there are no files"):
        compress(grey, source, tmp_path / "a.pxr")
    with pytest.raises(ArchiveError, match="no such file or folder"):
        compress(grey, tmp_path / "nothing", tmp_path / "a.pxr")
    picture(4, 4).save(source / "a.png")
    (source / "broken.png").symlink_to("nowhere")
    os.mkfifo(source / "pipe")
    done = compress(grey, source, tmp_path / "a.pxr")
    assert done.files == 1
    assert len(done.skipped) == 2
    for reason in ("broken.png: a link to nothing", "pipe: neither a file nor a folder"):
        assert reason in " ".join(done.skipped)


def test_files_that_may_not_be_read_are_found_before_the_work(folder, tmp_path, monkeypatch):
    is_open = Path.open

    def refuse(path, *arguments, **options):
        if path.name == "notes.txt":
            raise PermissionError(errno.EACCES, "Permission denied")
        return is_open(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ArchiveError, match=r"notes\.txt: Permission denied; `skip_bad` leaves it out"):
        find(folder, without=tmp_path / "none", skip_bad=False)
    listing = find(folder, without=tmp_path / "none", skip_bad=True)
    assert [line for line in listing.skipped if line.endswith("notes.txt: Permission denied")]
    assert "notes.txt" not in [file.name for file in listing.files]


@pytest.mark.parametrize("what", ["index", "pieces"])
def test_what_is_written_is_read_back(what, grey, folder, tmp_path, monkeypatch):
    if what == "index":

        def write_another(index):
            return pack_index(dataclasses.replace(index, fingerprint=b"another!"))

        monkeypatch.setattr(module, "pack_index", write_another)
    else:
        monkeypatch.setattr(module.shutil, "copyfileobj", lambda part, file: file.write(bytes(len(part.read()))))
    with pytest.raises(ArchiveError, match=r"not read as it was written|its bytes are not those"):
        compress(grey, folder, tmp_path / "a.pxr")
    assert not (tmp_path / "a.pxr").exists()


def test_files_that_vanish_before_they_are_read(grey, folder, tmp_path, monkeypatch):
    listing = find(folder, without=tmp_path / "none", skip_bad=False)
    monkeypatch.setattr(module, "find", lambda *_, **__: listing)
    (folder / "notes.txt").unlink()
    with pytest.raises(ArchiveError, match=r"notes\.txt cannot be read \(No such file"):
        compress(grey, folder, tmp_path / "a.pxr")
    assert not (tmp_path / "a.pxr").exists()
    done = compress(grey, folder, tmp_path / "a.pxr", writing=Writing(skip_bad=True))
    assert done.files == len(listing.files) - 1
    assert [line for line in done.skipped if "notes.txt cannot be read" in line]
    for file in listing.files:
        file.path.unlink(missing_ok=True)
    with pytest.raises(ArchiveError, match="none of the files can be read: "):
        compress(grey, folder, tmp_path / "b.pxr", writing=Writing(skip_bad=True))


def test_what_is_lost_is_told(grey, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "A")
    for number in range(3):
        picture(24, 6, seed=number).save(source / f"{number}.png", dpi=(72, 72) if number else None, pnginfo=text)
    Image.new("L", (200, 200)).save(source / "flat.png", pnginfo=text)  # stays the file that it is
    done = compress(grey, source, tmp_path / "a.pxr")
    assert done.coded == 3
    assert done.lost == {"Author": ("0.png", "1.png", "2.png"), "dpi": ("1.png", "2.png")}


def test_without_a_model_every_picture_is_its_smallest_ordinary_file(folder, tmp_path):
    done = compress(None, folder, tmp_path / "a.pxr")
    assert (done.coded, done.weights, done.coded_bits) == (0, 0, 0)
    assert "003.png" in done.kept["smaller without a model"]
    with Archive(tmp_path / "a.pxr") as archive:
        assert archive.model() is None
        assert len(decompress(archive, None, tmp_path / "out").files) == done.files
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            assert_same(path, tmp_path / "out" / restored_name(name))


@pytest.mark.parametrize(("part", "pays"), [("sub", False), ("", True)])
def test_a_model_that_takes_more_than_it_saves_is_left_out(part, pays, folder, tmp_path):
    fields = {"shape": (1, 6, 6), "levels": 256, "layers": 1, "output": "logistic-mixture"}
    content = pack_model(build(architecture="row-lstm", **fields).float(), 8)
    model, source, files = unpack_model(content), folder / part, [tmp_path / f"{name}.pxr" for name in "abc"]
    without = compress(None, source, files[0])
    with_it = compress(model, source, files[1], packed=PackedModel(content))
    assert with_it.weights == len(content)
    assert (with_it.size < without.size) == pays
    done = compress(model, source, files[2], packed=PackedModel(content, must_pay=True))
    assert done == (with_it if pays else without)
    assert files[2].read_bytes() == files[1 if pays else 0].read_bytes()


def test_progress_never_goes_back(grey, folder, tmp_path):
    seen = []
    files = SimpleNamespace(size=100, done=0)
    amount = coding._Amount(files, Reporter(lambda at: seen.append(at.done)))
    for files.done, amount.subpixels, finished in ((10, 0, 0), (20, 50, 50), (30, 500, 60), (100, 500, 500)):
        amount.tell(finished)
    assert seen == [10, 20, 20, 100]
    for model in (grey, None):
        seen = []
        done = compress(
            model,
            folder,
            tmp_path / "a.pxr",
            writing=Writing(overwrite=True),
            callback=lambda at, to=seen: to.append((at.done, at.total)),
        )
        assert seen == sorted(seen)
        assert {total for _, total in seen} == {done.original}
        assert seen[-1][0] == done.original


def test_names_that_are_no_utf8(grey, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    path = source / os.fsdecode(b"b\xff.png")
    try:
        picture(4, 4).save(path)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    compress(grey, source, tmp_path / "a.pxr")
    with Archive(tmp_path / "a.pxr") as archive:
        decompress(archive, grey, tmp_path / "out")
    assert [os.fsencode(path.name) for path in (tmp_path / "out").iterdir()] == [b"b\xff.png"]


def test_names_of_all_kinds(grey, tmp_path):
    """Long ones, odd ones, and pictures that become .png beside folders and files of that name."""
    source = tmp_path / "source"
    (source / "x.png").mkdir(parents=True)
    names = ["x.bmp", "x.png/in.png", "X.BMP.png", "1:30pm.png", "a\nb.png", "\u4e2d" * 80 + ".png", "a" * 251 + ".txt"]
    names += ["b" * 251 + ".bmp", "a." + "c" * 252, "a.png", "back\\slash.png", "trailing. .png"]
    for number, name in enumerate(names):
        if name.endswith(".txt"):
            (source / name).write_text("text")
        else:
            picture(24, 6, seed=number).save(source / name, "BMP" if name.endswith("bmp") else "PNG")
    done = compress(grey, source, tmp_path / "a.pxr")
    assert done.files == len(names)
    assert done.renamed == {
        "x.bmp": "x-2.png",
        "b" * 251 + ".bmp": "b" * 251 + ".png",
        "a." + "c" * 252: "a-2.png",
    }
    (source / ("d." + "e" * 253)).write_text("the longest name of all, that no picture has")
    (source / ".pixelrnn-0123.pxr").write_text("what a killed process left")
    done = compress(grey, source, tmp_path / "a.pxr", writing=Writing(overwrite=True))
    names += ["d." + "e" * 253]
    assert done.skipped == (f"{source / '.pixelrnn-0123.pxr'}: a file of this program that is not whole",)
    with Archive(tmp_path / "a.pxr") as archive:
        kinds = {member.name: member.kind for member in archive.members}
        assert kinds["1:30pm.png"] == kinds["x-2.png"] == kinds["b" * 251 + ".png"] == Kind.CODED
        assert len(decompress(archive, grey, tmp_path / "out").files) == len(names)


def test_many_files_are_renamed_in_a_moment(grey, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(300):
        picture(3, 3, seed=number).save(source / f"{number}.bmp")
    assert len(compress(grey, source, tmp_path / "a.pxr").renamed) == 300


def test_two_at_once(grey, folder, tmp_path):
    errors = []

    def work():
        try:
            compress(grey, folder, tmp_path / "a.pxr", writing=Writing(overwrite=True))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with Archive(tmp_path / "a.pxr") as archive:
        decompress(archive, grey, tmp_path / "out")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shape": (2, 4, 4), "levels": 256}, "2 channels"),
        ({"shape": (1, 4, 4), "levels": 300}, "300 levels"),
        ({"shape": (1, 4, 4), "levels": 4, "classes": 2}, "needs a context or a label"),
        ({"shape": (1, 4, 4), "levels": 4, "context": (1, 2, 2)}, "needs a context or a label"),
    ],
)
def test_models_that_files_cannot_be_coded_with(fields, message, folder, tmp_path):
    with pytest.raises(ArchiveError, match=message):
        compress(build(**fields), folder, tmp_path / "a.pxr")


def test_several_scales(folder, tmp_path):
    model = build(shape=(1, 8, 8), levels=256, scales=2, output="logistic-mixture", layers=1).float()
    done = compress(model, folder, tmp_path / "a.pxr")
    assert len(done.kept["sides that are no multiples of 2"]) >= 70
    with Archive(tmp_path / "a.pxr") as archive:
        decompress(archive, model, tmp_path / "out")
    assert_same(folder / "palette.png", tmp_path / "out" / "palette.png")


def test_listing(grey, folder, tmp_path):
    compress(grey, folder, tmp_path / "a.pxr")
    with Archive(tmp_path / "a.pxr") as archive:
        lines = {line.name: line for line in archive.listing()}
    assert (lines["003.png"].what, lines["003.png"].bytes) == ("6x5 L", None)
    assert lines["sub/tiles.png"].what == "7x60 L"
    assert lines["sub/tiles.png"].bytes > 100
    assert (lines["notes.txt"].what, lines["notes.txt"].bytes) == ("file as it was", 5)
    assert (lines["copy.png"].what, lines["copy.png"].bytes) == ("same as 000.png", 0)


def test_a_huge_picture_is_kept_as_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    picture(4, 4).save(tmp_path / "a.png")
    picture(9, 9).save(tmp_path / "b.png")
    assert examine((tmp_path / "a.png").read_bytes()) == "too many pixels"
    assert examine((tmp_path / "b.png").read_bytes()) == "too many pixels"


def test_files_are_found_in_order(folder, tmp_path):
    names = [file.name for file in find(folder, without=tmp_path / "none", skip_bad=False).files]
    assert names == sorted(names)
    assert find(folder / "003.png", without=tmp_path / "none", skip_bad=False).files[0].name == "003.png"


def test_long_names_are_refused_or_left_out(folder, tmp_path, monkeypatch):
    (folder / ("x" * 30)).write_text("hello")
    monkeypatch.setattr(files, "MOST_NAME", 29)
    with pytest.raises(ArchiveError, match="a name of more than 29 bytes; `skip_bad` leaves it out"):
        compress(None, folder, tmp_path / "a.pxr")
    done = compress(None, folder, tmp_path / "a.pxr", writing=Writing(skip_bad=True))
    assert [line for line in done.skipped if "a name of more than 29 bytes" in line]
    monkeypatch.setattr(files, "MOST_NAMES", 99)
    with pytest.raises(ArchiveError, match=r"the names have [0-9]+ bytes together; 99 go into an archive"):
        compress(None, folder, tmp_path / "b.pxr", writing=Writing(skip_bad=True))


def test_names_that_another_system_cannot_have(monkeypatch, tmp_path):
    archive = SimpleNamespace(members=[SimpleNamespace(name="c:a.png")], path="a.pxr")
    monkeypatch.setattr(restore, "os", SimpleNamespace(name="nt"))
    with pytest.raises(ArchiveError, match=r"a\.pxr: 'c:a\.png' can be no name on this system"):
        restore._path(archive, tmp_path, 0)


def test_an_archive_that_ends_in_its_index(folder, tmp_path):
    compress(None, folder, tmp_path / "a.pxr")
    (tmp_path / "b.pxr").write_bytes((tmp_path / "a.pxr").read_bytes()[:90])
    with pytest.raises(ArchiveError, match=r"b\.pxr: it is cut off"):
        Archive(tmp_path / "b.pxr")


def test_an_ordinary_file_that_is_none():
    with pytest.raises(ArchiveError, match="it is not an image"):
        archive_module._opened(b"x")


def test_each_pass_through_an_ingest_comes_to_all_bytes(tmp_path):
    picture(5, 6).save(tmp_path / "a.png")
    (tmp_path / "b.txt").write_text("hello")
    given = find(tmp_path, without=tmp_path / "none", skip_bad=True)
    (tmp_path / "a.png").rename(tmp_path / "c.png")  # gone when it is to be read
    ingest = Ingest(given, io.BytesIO(), writing=Writing(skip_bad=True))
    for _ in range(2):
        assert [number for number, _ in ingest.pictures()] == [0]
        assert ingest.done == ingest.size == sum(file.size for file in given.files)
