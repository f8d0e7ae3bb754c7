"""A folder in one file that needs nothing else."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import ConfigError, ModelConfig, load_model
from pixelrnn.archive import ingest
from pixelrnn.archive.archive import Archive
from pixelrnn.archive.files import Found
from pixelrnn.archive.ordinary import file_of
from pixelrnn.archive.restore import decompress
from pixelrnn.config import Writing
from pixelrnn.errors import ArchiveError, RunError
from pixelrnn.pack import pack as module
from pixelrnn.pack import search
from pixelrnn.pack.corpus import gather
from pixelrnn.pack.pack import pack
from pixelrnn.pack.search import SIZES, words
from pixelrnn.progress import Reporter
from tests.conftest import build
from tests.pictures import ingest_of

NAMES = module.zoo.names


def write(folder, count, size=(6, 7), mode="1", value=None):
    folder.mkdir(exist_ok=True, parents=True)
    generator = np.random.default_rng(len(list(folder.iterdir())))
    for number in range(count):
        shape = (*size, {"1": 1, "L": 1, "RGB": 3, "RGBA": 4}[mode])
        pixels = generator.integers(0, 256, shape, dtype=np.uint8) if value is None else np.full(shape, value, np.uint8)
        picture = Image.fromarray(pixels[..., 0] if shape[2] == 1 else pixels).convert(mode)
        picture.save(folder / f"{mode}-{size[0]}-{number:03d}.png")
    return folder


def training_of(material):
    nothing, device = lambda *_: None, torch.device("cpu")
    return search.Training(material, seed=0, minutes=10.0, device=device, report=Reporter(nothing))


def material(folder):
    return gather(ingest_of(folder))


def sizes_of(architecture):
    return SIZES[architecture != "local"]


def is_third_size(at):
    return " 7x24" in at.what or " 3x96" in at.what


@pytest.fixture(scope="module", autouse=True)
def without_shipped():
    """Shipped models cost nothing, and so are best for anything as small as here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.zoo, "names", list)
        yield


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    write(folder / "bits", 90)
    (folder / "bits" / "note.txt").write_text("hello")
    said, tried = [], []
    result = pack(
        folder / "bits",
        folder / "bits.pxr",
        minutes=0.05,
        callback=lambda at: (said if at.stage is None else tried).append(at if at.stage is None else at.stage),
    )
    return folder, result, said, tried


def test_one_file_is_all_it_takes(packed, tmp_path):
    folder, result, *_ = packed
    with Archive(folder / "bits.pxr") as archive:
        assert archive.index.has_model
        decompress(archive, None, tmp_path / "out")
    for path in (folder / "bits").iterdir():
        after = tmp_path / "out" / path.name
        if path.suffix == ".png":
            assert Image.open(path).tobytes() == Image.open(after).tobytes()
        else:
            assert path.read_bytes() == after.read_bytes()
    assert result.compressed.files == 91
    assert result.compressed.size == (folder / "bits.pxr").stat().st_size


def test_the_smallest_sum_is_taken(packed):
    _, result, said, tried = packed
    assert tuple(tried) == result.tried
    ordinary, *stages = tried
    names = [stage.what.split(",")[0] for stage in stages]
    first = next(number for number, name in enumerate(names) if name.endswith("bits a weight"))
    trials, roundings = stages[:first], stages[first:]
    assert (ordinary.what, ordinary.weights) == ("ordinary files", 0)
    assert ordinary.total == sum(path.stat().st_size for path in (packed[0] / "bits").glob("*.png"))
    extras = ("", " grid", " copies", " copies grid", " adaptive", " adaptive grid")
    assert names[:8] == ["diagonal-bilstm 4x16", "row-lstm 4x16", *(f"local 2x48{each}" for each in extras)]
    better = {stage.what.split(",")[0] for stage in sorted(trials[:8], key=lambda stage: stage.total)[:4]}
    sizes = {name for name in names[8:first] if name.split()[1] not in ("4x16", "2x48")}
    expected = {
        " ".join([kind, f"{layers}x{hidden}", *extras])
        for kind, medium, *extras in map(str.split, better)
        for layers, hidden in sizes_of(kind)
        if f"{layers}x{hidden}" != medium
    }
    assert sizes >= expected
    assert words(result.model) in names[:first]
    rounding = min(roundings, key=lambda stage: stage.total)
    assert rounding.what == f"{result.bits} bits a weight"
    assert rounding.weights == result.compressed.weights
    # The estimate that the choice rests on is right: all pictures are measured here.
    assert abs(rounding.pictures - result.compressed.coded_bits / 8) <= 0.01 * rounding.pictures + 2
    assert {at.what.split()[0] for at in said} == {"reading", "trying", "training", "rounding", "compressing"}


def test_a_shipped_model_costs_nothing(tmp_path, monkeypatch):
    """Of pictures of its kind a few are enough; the archive names it, and is restored without it."""
    monkeypatch.setattr(module.zoo, "names", NAMES)
    (tmp_path / "digits").mkdir()
    for number, image in enumerate(load_model("mnist-pixelcnn").sample(20, seed=0)):
        Image.fromarray(image[0].numpy().astype(bool)).save(tmp_path / "digits" / f"{number}.png")
    result = pack(tmp_path / "digits", tmp_path / "a.pxr", minutes=0.02)
    assert result.shipped.startswith("mnist-")
    assert (result.bits, result.compressed.weights, result.compressed.coded) == (0, 0, 20)
    assert result.compressed.size < result.compressed.original / 5
    best = min((stage for stage in result.tried if "shipped" in stage.what), key=lambda stage: stage.total)
    assert best.what.endswith(result.shipped)
    with Archive(tmp_path / "a.pxr") as archive:
        assert archive.index.model == result.shipped
        decompress(archive, None, tmp_path / "out")
    for path in (tmp_path / "digits").iterdir():
        assert Image.open(path).tobytes() == Image.open(tmp_path / "out" / path.name).tobytes()


def test_a_training_may_begin_with_a_shipped_model(tmp_path, monkeypatch):
    """Its weights are kept as differences then; it is a candidate beside all others."""
    monkeypatch.setattr(module.zoo, "names", NAMES)
    shipped = load_model("mnist-pixelcnn")
    (tmp_path / "digits").mkdir()
    for number, image in enumerate(shipped.sample(60, seed=0)):
        Image.fromarray(image[0].numpy().astype(bool)).save(tmp_path / "digits" / f"{number}.png")
    training = training_of(material(tmp_path / "digits"))
    monkeypatch.setattr(search, "BITS_OF_A_CHANGE", 0)  # else it takes more than sixty digits do
    monkeypatch.setattr(search, "FIRST", (0.0005, 0.0005))
    monkeypatch.setattr(search, "TRIALS", 0)
    chosen = search.choose(training, [shipped])
    names = {stage.what.split(",")[0] for stage in training.stages}
    assert {"mnist-pixelcnn", "local 2x48", "row-lstm 4x16"} <= names
    candidate = search._Candidate(shipped.config, 0, torch.device("cpu"), shipped)
    assert torch.equal(candidate.model.sample(3, seed=1), shipped.sample(3, seed=1))
    assert candidate.name == "mnist-pixelcnn, trained further"
    assert chosen.start is shipped


def test_few_pictures_take_a_small_model(packed):
    result = packed[1]
    assert (result.model.layers, result.model.hidden) == sizes_of(result.model.architecture)[0]


def test_a_wish_to_stop_ends_the_training_but_not_the_packing(tmp_path):
    write(tmp_path / "bits", 800)
    result = pack(tmp_path / "bits", tmp_path / "a.pxr", minutes=60, callback=lambda at: at.what.startswith("trying"))
    assert [stage.what.split()[0] for stage in result.tried[:3]] == ["ordinary", "diagonal-bilstm", "5"]
    assert result.model is not None
    with Archive(tmp_path / "a.pxr") as archive:
        assert len(list(archive.extract(None))) == 800


def test_a_stop_in_a_later_trial_takes_the_best_so_far(tmp_path):
    write(tmp_path / "bits", 300)
    result = pack(tmp_path / "bits", tmp_path / "a.pxr", minutes=0.2, callback=is_third_size)
    measured = [stage for stage in result.tried if " min" in stage.what]
    assert is_third_size(measured[-1])
    assert not any(is_third_size(stage) for stage in measured[:-1])
    assert "for" not in measured[-1].what
    assert words(result.model) in {stage.what.split(",")[0] for stage in measured}


def candidate_of(forecasts, architecture="local"):
    config = ModelConfig(architecture=architecture, shape=(1, 4, 4), levels=2, layers=1, hidden=4)
    candidate = search._Candidate(config, 0, torch.device("cpu"))
    candidate.measured = [search._Measured(1.0, forecasts[-1])]
    candidate.forecasts = list(forecasts)
    return candidate


def test_the_better_half_goes_on_and_who_learns_slowly_is_waited_for():
    near = [candidate_of([total]) for total in (100, 101, 102, 103)]
    slow, hopeless = candidate_of([130], "row-lstm"), candidate_of([151], "row-lstm")
    assert search._better_half([*near, slow]) == [*near[:3], slow]
    assert search._better_half([*near, hopeless]) == near[:3]
    slow.forecasts = [131, 130]  # it is what it will be
    assert search._better_half([*near, slow]) == near[:3]
    slow.forecasts = [140, 130]
    assert search._better_half([near[0], slow]) == [near[0]]  # some must go each time
    unmeasured = candidate_of([90])
    unmeasured.measured = []
    assert search._better_half([near[0], unmeasured]) == [near[0]]


@pytest.mark.parametrize("kept", [0.5, 0.65, 0.8])
def test_what_a_longer_training_comes_to_is_extrapolated(kept):
    """Each doubling of the time gains a part of what the one before did: found from three measurements."""
    config = ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4)
    candidate = search._Candidate(config, 0, torch.device("cpu"))
    course = [1_000_000.0]
    for doubling in range(7):
        course.append(course[-1] - 40_000 * kept**doubling)
    candidate.measured = [search._Measured(2.0**n, round(course[n])) for n in range(3)]
    for doubling in range(3, 8):
        assert candidate.stage(2.0**doubling).pictures == pytest.approx(course[doubling], abs=5)
    assert candidate.stage(0.0).pictures == candidate.measured[-1].pictures
    assert candidate.stage(16.0).what.endswith("4.0 min, for 16.0")


def test_forecasts_are_bounded():
    config = ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4)
    candidate = search._Candidate(config, 0, torch.device("cpu"))

    def forecast(*pictures):
        candidate.measured = [search._Measured(2.0**n, each) for n, each in enumerate(pictures)]
        return candidate.stage(25.0).pictures

    assert forecast(0, 10_000) == 10_000  # what gets worse is not credited
    assert forecast(30_000, 20_000) < forecast(21_000, 20_000) < 20_000
    assert forecast(90_000, 10_000) == round(10_000 * (2 / 25) ** 0.2)  # nor what is too good
    assert forecast(22_000, 21_000, 20_000) > forecast(22_000, 21_000, 20_000 - 9_000)


def test_measuring_takes_its_time_from_the_last_training_which_keeps_a_quarter(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(search.time, "monotonic", lambda: clock[0])
    training = training_of(None)
    assert training.left == 10.0
    clock[0] = 240.0
    assert training.left == 6.0
    clock[0] = 1200.0
    assert training.left == 2.5


def test_a_model_that_diverges_is_out_of_the_race(tmp_path, monkeypatch):
    """Its weights stay as they were; if all diverge, that is the error; after the trials the model is kept."""
    fit, diverging = search.fit, ["row-lstm"]

    def fit_or_diverge(model, *arguments, **options):
        if model.config.architecture in diverging:
            next(model.parameters()).data.fill_(float("nan"))
            raise RunError("the loss is no longer finite after step 1; try a lower --learning-rate")
        return fit(model, *arguments, **options)

    monkeypatch.setattr(search, "fit", fit_or_diverge)
    write(tmp_path / "bits", 90)
    result = pack(tmp_path / "bits", tmp_path / "a.pxr", minutes=0.02)
    assert "row-lstm 4x16" not in " ".join(stage.what for stage in result.tried)
    training = training_of(material(tmp_path / "bits"))
    model = build(architecture="row-lstm", shape=(1, 6, 7), levels=2).float()
    assert training.train(model, 0.01, "training") is None
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    diverging += ["diagonal-bilstm", "local"]
    with pytest.raises(RunError, match="no model could be trained"):
        pack(tmp_path / "bits", tmp_path / "b.pxr", minutes=0.02)


def test_equal_pictures_count_once(tmp_path):
    write(tmp_path / "bits", 3)
    once = material(tmp_path / "bits")
    for path in list((tmp_path / "bits").iterdir()):
        (tmp_path / "bits" / f"copy-{path.name}").write_bytes(path.read_bytes())
    twice = material(tmp_path / "bits")
    assert (once.subpixels, once.ordinary, len(once.data.train)) == (
        twice.subpixels,
        twice.ordinary,
        len(twice.data.train),
    )


@pytest.mark.parametrize(("count", "value"), [(1, 7), (12, None)])
def test_what_no_model_pays_for_stays_ordinary(count, value, tmp_path):
    """One picture, without any training; and noise."""
    for number in range(count):
        write(tmp_path / "in" / str(number), 1, (16, 16 + number), "L", value=value)
    write(tmp_path / "in", 1, (1, 1), "1")
    result = pack(tmp_path / "in", tmp_path / "a.pxr", minutes=0.02)
    assert (len(result.tried) == 1) == (count == 1)
    assert (result.model, result.bits, result.compressed.weights, result.compressed.coded) == (None, 0, 0, 0)
    assert set(result.compressed.kept) == {"smaller without a model"}
    with Archive(tmp_path / "a.pxr") as archive:
        assert len(list(archive.extract(None))) == count + 1


def test_a_model_may_be_given(tmp_path):
    write(tmp_path / "bits", 200)
    model = build(architecture="pixelcnn", shape=(1, 6, 6), levels=2).float()
    result = pack(tmp_path / "bits", tmp_path / "a.pxr", minutes=0.01, model=model)
    assert {stage.what.split(maxsplit=1)[1] for stage in result.tried} == {"files", "bits a weight"}
    assert result.model.architecture == "pixelcnn"
    with pytest.raises(
        ArchiveError, match="the model has 1 channels, 5 levels and colours rgb; the pictures have 1, 2 and rgb"
    ):
        pack(tmp_path / "bits", tmp_path / "b.pxr", model=build(shape=(1, 6, 6), levels=5))


def test_what_cannot_be_packed(tmp_path):
    write(tmp_path / "bits", 1)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("a")
    with pytest.raises(ArchiveError, match="no pictures that a model could learn"):
        pack(tmp_path / "text", tmp_path / "a.pxr")
    with pytest.raises(ConfigError, match="minutes is 0"):
        pack(tmp_path / "bits", tmp_path / "a.pxr", minutes=0)
    with pytest.raises(ArchiveError, match="no such file or folder"):
        pack(tmp_path / "none", tmp_path / "a.pxr")
    (tmp_path / "a.pxr").touch()
    with pytest.raises(ArchiveError, match="exists"):
        pack(tmp_path / "bits", tmp_path / "a.pxr")
    with pytest.raises(ArchiveError, match="text is no regular file"):
        pack(tmp_path / "bits", tmp_path / "text", writing=Writing(overwrite=True))
    with pytest.raises(ArchiveError, match=r"b\.pxr cannot be written \(Not a directory\)"):
        pack(tmp_path / "bits", tmp_path / "a.pxr" / "b.pxr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pxr", "bits", "text"]


def test_of_two_at_once_the_second_is_refused_before_it_trains(tmp_path):
    write(tmp_path / "bits", 40)
    told = []

    def second(at):
        if not told:
            told.append(at)
            with pytest.raises(ArchiveError, match=r"a\.pxr is being made by another process"):
                pack(tmp_path / "bits", tmp_path / "a.pxr", minutes=0.01)
        return True

    pack(tmp_path / "bits", tmp_path / "a.pxr", callback=second)
    assert [at.what for at in told] == ["reading pictures"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pxr", "bits"]


def test_an_archive_may_have_the_longest_name_there_is(tmp_path):
    write(tmp_path / "bits", 1)
    name = "a" * 251 + ".pxr"
    pack(tmp_path / "bits", tmp_path / name, callback=lambda *_: True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "bits"]


@pytest.mark.parametrize(
    ("modes", "shape", "levels"),
    [
        (("1",), (1, 6, 7), 2),
        (("L",), (1, 6, 7), 256),
        (("L", "RGB"), (3, 6, 7), 256),
        (("L", "RGBA"), (4, 6, 7), 256),
    ],
)
def test_channels_and_levels_are_those_of_the_pictures(modes, shape, levels, tmp_path):
    for mode in modes:
        write(tmp_path / "pictures", 3, mode=mode)
    found = material(tmp_path / "pictures").data
    assert (found.shape, found.levels) == (shape, levels)
    assert tuple(found.train.batch([0]).shape[1:]) == shape


def test_levels_are_found_again(tmp_path):
    for number in range(17):
        write(tmp_path / "pictures" / str(number), 1, (6, 7), "L", round(number * 255 / 16))
    data = material(tmp_path / "pictures").data
    assert data.levels == 17
    assert sorted({int(value) for value in data.train.batch(range(len(data.train))).unique()}) == list(range(17))


def test_a_rare_colour_picture_does_not_make_three_channels(tmp_path):
    write(tmp_path / "pictures", 200, (2, 2), "L")
    write(tmp_path / "pictures", 1, (2, 2), "RGB")
    found = material(tmp_path / "pictures")
    assert found.data.shape[0] == 1


def test_pictures_of_many_sizes_are_learnt_in_patches(tmp_path):
    write(tmp_path / "pictures", 2, (40, 90), "L")
    write(tmp_path / "pictures", 2, (300, 35), "L")
    write(tmp_path / "pictures", 1, (1, 1), "L")
    found = material(tmp_path / "pictures")
    assert found.data.shape == (1, 35, 35)
    assert found.subpixels == 2 * 40 * 90 + 2 * 300 * 35 + 1
    assert len(found.data.train) == 4 * round((2 * 40 * 90 + 2 * 300 * 35) / 4 / 35**2)


def test_ordinary_formats_are_measured_and_everywhere_the_same(tmp_path):
    folder = write(tmp_path / "pictures", 3, (20, 20), "RGB")
    write(folder, 2, (20, 20), "L", value=3)
    (folder / "a.txt").write_text("hello")
    result = pack(folder, tmp_path / "a.pxr", minutes=0.01, compare=True)
    paths = sorted(folder.glob("*.png"))
    files = {path: path.stat().st_size for path in paths}
    sizes = {name: {path: len(file_of(Image.open(path), name)) for path in paths} for name in ("PNG", "WebP")}
    assert list(result.formats)[:3] == ["original files", "PNG", "WebP"]
    assert result.formats["original files"] == 5 + sum(files.values()) == result.compressed.original
    assert result.formats["PNG"] == 5 + sum(sizes["PNG"].values())
    assert result.formats["WebP"] == 5 + sum(sizes["WebP"].values())
    # Two are equal, and count once; what the pictures take as ordinary files is the least of the same numbers.
    first, _, *colours = paths
    assert result.tried[0].total == files[first] + sum(min(files[path], sizes["WebP"][path]) for path in colours)


def test_a_file_is_read_and_examined_once(tmp_path, monkeypatch):
    folder = write(tmp_path / "bits", 40)
    write(folder, 2, (3, 50), "RGB")
    (folder / "note.txt").write_text("hello")
    calls = Counter()

    def counted(module, name):
        original = getattr(module, name)

        def call(*args, **options):
            calls[name] += 1
            return original(*args, **options)

        monkeypatch.setattr(module, name, call)

    counted(Found, "read")
    counted(ingest, "examine")
    counted(ingest, "opened")
    pack(folder, tmp_path / "a.pxr", minutes=0.01, compare=True)
    assert calls == {"read": 43, "examine": 43}
    monkeypatch.setattr(module, "MOST_HELD", 42 * 30)  # of the others, what is staged is decoded again
    pack(folder, tmp_path / "b.pxr", minutes=0.01)
    assert calls["read"] == calls["examine"] == 86
    assert 0 < calls["opened"] <= 12
    with Archive(tmp_path / "b.pxr") as archive:
        decompress(archive, None, tmp_path / "out")
    for path in folder.glob("*.png"):
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(tmp_path / "out" / path.name)))


def test_what_is_packed_is_what_was_there_in_the_beginning(tmp_path):
    folder = write(tmp_path / "bits", 30)

    def change(at):
        if at.stage is not None:
            (folder / "late.txt").write_text("hello")
            (folder / "1-6-000.png").write_bytes(b"")

    pack(folder, tmp_path / "a.pxr", minutes=0.01, callback=change)
    with Archive(tmp_path / "a.pxr") as archive:
        contents = dict(archive.extract(None))
    assert len(contents) == 30
    assert contents[0].size == (7, 6)
