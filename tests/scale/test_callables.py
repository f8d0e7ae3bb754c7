"""Batches of rows, as engines hand them on: the figures, samples and archives of the library, row by row."""

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from pixelrnn import Compressor, ImageModel, ModelConfig, Sampler, Scorer, Support, load_model
from pixelrnn.archive.archive import Archive
from pixelrnn.archive.compress import compress
from pixelrnn.archive.merge import merge_archives
from pixelrnn.config import Sampling
from pixelrnn.errors import ArchiveError, ConfigError
from pixelrnn.scores.comparison import Comparison
from pixelrnn.scores.score import exact_score, score
from tests.conftest import build
from tests.pictures import png

MODEL = "mnist-grey"


@pytest.fixture(scope="module")
def model():
    return load_model(MODEL)


@pytest.fixture(scope="module")
def x(model):
    return model.sample(6, seed=3)


def test_every_kind_of_cell_is_the_same_picture(model, x, tmp_path):
    plain = x.numpy()
    (tmp_path / "a.png").write_bytes(png(plain[0, 0]))
    files = [png(each[0]) for each in plain]
    ragged = np.empty(6, object)
    ragged[:] = [*plain]
    wanted = score(model, x)
    for batch in (
        {"image": plain},
        {"image": np.moveaxis(plain, 1, 3)},
        {"image": plain[:, 0]},
        {"image": ragged},
        {"bytes": files},
        {"png": files},
        {"image": [{"bytes": file, "path": None} for file in files]},
        {"img": [Image.open(io.BytesIO(file)) for file in files]},
    ):
        table = Scorer(MODEL)(batch)
        np.testing.assert_allclose(table["nats"], wanted.nats, rtol=1e-6)
        np.testing.assert_allclose(table["bits_per_dim"], wanted.bits_per_dim, rtol=1e-6)
        assert table["error"].tolist() == [""] * 6
    table = Scorer(MODEL)({"image": [{"path": str(tmp_path / "a.png")}, {"path": "/nowhere/a.png"}]})
    assert table["nats"][0] == pytest.approx(wanted.nats[0], rel=1e-6)
    assert np.isnan(table["nats"][1])
    assert "No such file" in table["error"][1]


def test_what_cannot_be_used_is_a_row_with_a_reason(model, x):
    good = png(x[0, 0].numpy())
    cells = [
        good,
        good[:60],
        b"none",
        None,
        np.zeros((2, 28, 28), np.uint8),
        np.full((1, 28, 28), 256),
        np.zeros((1, 2, 2)),
    ]
    table = Scorer(model)({"image": cells, "name": [f"row {number}" for number in range(7)]})
    assert table["name"].tolist()[3] == "row 3"
    assert np.isfinite(table["nats"]).tolist() == [True] + [False] * 6
    for error, words in zip(
        table["error"][1:],
        ("the picture cannot be used", "the picture cannot be used", "there is no picture", "shape (2, 28, 28)",
         "256 .. 256; 0 .. 255 are allowed", "float64; integers are needed"),
        strict=True,
    ):  # fmt: skip
        assert words in error
    assert len(Scorer(model)({"image": []})["nats"]) == 0
    continuous = build(architecture="pixelcnn", shape=(1, 4, 4), levels=0, output="continuous-mixture").float()
    table = Scorer(continuous)({"image": [np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 4), np.uint8)]})
    assert np.isfinite(table["nats"][0])
    assert "uint8; floats are needed" in table["error"][1]


def test_pictures_of_many_sizes_in_one_batch():
    model = load_model("photographs")
    every = [model.sample(1, size=size, seed=1)[0] for size in ((16, 20), (8, 9), (16, 20), (1, 1))]
    table = Scorer("photographs", maps=True)({"image": [each.numpy() for each in every]})
    for each, nats, bits in zip(every, table["nats"], table["map"], strict=True):
        wanted = model.log_prob_map(each[None])[0].detach().double()
        assert nats == pytest.approx(-float(wanted.sum()), rel=1e-6)
        np.testing.assert_allclose(bits, -wanted.sum(0).numpy() / np.log(2), rtol=1e-4, atol=1e-4)


def test_comparisons_are_those_of_the_library(model, x):
    usual = model.sample(20, seed=9)
    wanted = Comparison(model, "typicality").fit(usual).table(x)
    for scorer in (Scorer(model, "typicality", usual), Scorer(model, Comparison(model, "typicality").fit(usual))):
        table = scorer({"image": x.numpy()})
        for name, values in wanted.items():
            np.testing.assert_allclose(table[name], values, rtol=1e-5, atol=1e-9)
    with_maps = Scorer(model, "typicality", usual, maps=True)({"image": x.numpy()})
    assert with_maps["map"].shape == (6, 28, 28)
    np.testing.assert_allclose(with_maps["score"], wanted["score"], rtol=1e-4, atol=1e-6)
    with pytest.raises(ConfigError, match="compares with usual images; give them"):
        Scorer(model, "typicality")
    with pytest.raises(ConfigError, match="fit with usual images first"):
        Comparison(model, "typicality").table(x)
    with pytest.raises(ConfigError, match="method surprise has no exact numbers"):
        Comparison(model, "surprise", exact=True)


def test_usual_images_of_a_source(digits, model, x):
    table = Scorer(MODEL, "complexity", digits / "usual")({"image": x.numpy()})
    assert ((table["p_value"] > 0) & (table["p_value"] <= 1)).all()


@pytest.mark.parametrize("name", [MODEL, "drawn-discs", "cifar-row-lstm"])
def test_exact_figures_do_not_depend_on_the_batch(name):
    model = load_model(name)
    x = model.sample(5, seed=2)
    whole = Scorer(name, exact=True)({"image": x.numpy()})["nats"]
    apart = [Scorer(model, exact=True)({"image": each[None].numpy()})["nats"][0] for each in x]
    assert whole.tolist() == apart
    assert whole.tolist() == exact_score(model, x, batch=2).nats.tolist()
    np.testing.assert_allclose(whole, score(model, x).nats, rtol=1e-5)  # of the parallel face
    maps = Scorer(model, exact=True, maps=True)({"image": x.numpy()})
    assert maps["nats"].tolist() == apart


@pytest.mark.parametrize("changes", [{}, {"orders": 8}, {"classes": 3}, {"scales": 2}, {"architecture": "row-lstm"}])
def test_exact_likelihoods_sum_to_one(changes):
    """Over all images, whatever the model is; and are those of the parallel face."""
    fields = {"architecture": "pixelcnn", "shape": (1, 2, 4), "levels": 2} | changes
    model = build(**fields).float()
    every = torch.tensor([[number >> bit & 1 for bit in range(8)] for number in range(256)]).view(-1, 1, 2, 4)
    given = {"label": 1} if "classes" in changes else {}
    exact = model.exact_log_prob(every, **given)
    assert exact.exp().sum().item() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(exact, model.log_prob(every, **given).detach(), rtol=1e-5, atol=1e-5)


def test_labels_are_a_column():
    model = load_model("mnist-classes")
    x = model.sample(3, label=torch.tensor([1, 2, 3]), seed=0)
    labels = np.array([1, 2, 3])
    table = Scorer("mnist-classes")({"image": x.numpy(), "label": labels})
    wanted = -model.log_prob(x, label=torch.from_numpy(labels)).detach().numpy()
    np.testing.assert_allclose(table["nats"], wanted, rtol=1e-6)
    assert table["label"].tolist() == [1, 2, 3]
    without = build(architecture="pixelcnn", shape=(1, 4, 4), levels=2, classes=3).float()
    with pytest.raises(ConfigError, match="the rows have no column `label`"):
        Scorer(without)({"image": np.zeros((1, 1, 4, 4), np.uint8)})


def test_what_scorers_refuse(model):
    with pytest.raises(ConfigError, match="the rows have no column image or bytes"):
        Scorer(model)({"picture": [b""]})
    with pytest.raises(ConfigError, match="the rows have no column picture; theirs are none"):
        Scorer(model, column="picture")({})
    given = build(architecture="pixelcnn", shape=(1, 4, 4), levels=2, context=(1, 4, 4)).float()
    with pytest.raises(ConfigError, match="needs a context for each image, which rows do not hold"):
        Scorer(given)


def test_they_go_to_other_processes_by_name(x):
    scorer = Scorer(MODEL)
    before = scorer({"image": x.numpy()})["nats"]
    content = pickle.dumps(scorer)
    assert len(content) < 2_000  # without the weights
    assert pickle.loads(content)({"image": x.numpy()})["nats"].tolist() == before.tolist()
    assert len(pickle.dumps(Sampler(MODEL))) < 2_000
    assert len(pickle.dumps(Compressor("photographs"))) < 2_000


def test_samples_are_those_of_their_numbers(model):
    wanted = model.sample(9, seed=7, temperature=0.9)
    sampler = Sampler(MODEL, Sampling(seed=7, temperature=0.9))
    found = sampler({"number": np.array([8, 0, 3]), "name": np.array(["a", "b", "c"])})
    assert (found["image"] == wanted[[8, 0, 3]].numpy()).all()
    assert found["name"].tolist() == ["a", "b", "c"]
    with pytest.raises(ConfigError, match="the rows have no column number"):
        sampler({"name": ["a"]})
    with pytest.raises(ConfigError, match="images are numbered from 0"):
        model.sample([3, -1])
    with pytest.raises(ConfigError, match="n is \\[\\]; at least 1 is needed"):
        model.sample([])
    labelled = Sampler("mnist-classes", Sampling(seed=1))({"number": [0, 1], "label": [4, 5]})["image"]
    classes = load_model("mnist-classes")
    assert (labelled == classes.sample(2, label=torch.tensor([4, 5]), seed=1).numpy()).all()


def test_samples_of_several_orders_are_those_of_their_numbers():
    model = load_model("drawn-discs")
    assert (model.sample([5, 2], seed=3) == model.sample(6, seed=3)[[5, 2]]).all()


def archive_of(compressor, names, contents, path):
    row = compressor({"path": names, "bytes": contents})
    path.write_bytes(row["archive"][0])
    return row


def test_archives_of_batches_are_merged(tmp_path):
    model = load_model("photographs")
    pictures = model.sample(5, size=(24, 40), seed=4).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    colours = Support(np.unique(np.random.default_rng(0).integers(30, 90, (60, 3)) * 2, axis=0))
    few = model.sample(6, size=(48, 56), support=colours, seed=1).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    paths = []
    for number, some in enumerate((pictures[:3], few[:3], pictures[3:], few[3:])):
        names = [f"s3://bucket/x/{number}-{k}.png" for k in range(len(some))]
        paths.append(tmp_path / f"{number}.pxr")
        row = archive_of(Compressor(model, below="s3://bucket/"), names, [png(each) for each in some], paths[-1])
        assert row["files"][0] == len(some)
    merged = merge_archives(paths, tmp_path / "all.pxr")
    assert merged.files == 11
    with Archive(tmp_path / "all.pxr") as archive:
        assert archive.index.with_colours  # of pictures of few colours
        found = {archive.members[number].name: np.asarray(picture) for number, picture in archive.extract(model)}
    assert found.keys() == {
        f"x/{number}-{k}.png" for number, count in ((0, 3), (1, 3), (2, 2), (3, 3)) for k in range(count)
    }
    np.testing.assert_array_equal(found["x/2-1.png"], pictures[4])
    np.testing.assert_array_equal(found["x/3-2.png"], few[5])


def test_what_is_not_merged(tmp_path):
    model, other = load_model("photographs"), load_model("photographs-fast")
    picture = png(model.sample(1, size=(16, 16), seed=4)[0].permute(1, 2, 0).numpy().astype(np.uint8))
    for name, by, content in (("a", model, picture), ("b", other, picture), ("c", model, b"x"), ("d", model, b"y")):
        archive_of(
            Compressor(by), ["one.txt" if len(content) == 1 else f"{name}.png"], [content], tmp_path / f"{name}.pxr"
        )
    out, small = tmp_path / "out.pxr", tmp_path / "small.png"
    small.write_bytes(picture)
    with pytest.raises(ArchiveError, match="is by another model than"):
        merge_archives([tmp_path / "a.pxr", tmp_path / "b.pxr"], out)
    with pytest.raises(ArchiveError, match=r"holds one\.txt, as .*c\.pxr does; nothing is merged"):
        merge_archives([tmp_path / "c.pxr", tmp_path / "d.pxr"], out)
    tiled = compress(model, small, tmp_path / "tiles.pxr", tile=(8, 8))
    assert tiled.coded == 1
    with pytest.raises(ArchiveError, match=r"tiles\.pxr has tiles of 8x8 pixels, .*a\.pxr of 1024x1024"):
        merge_archives([tmp_path / "a.pxr", tmp_path / "tiles.pxr"], out)
    with pytest.raises(ArchiveError, match="there are no archives to merge"):
        merge_archives([], out)
    assert not out.exists()
    twice = merge_archives([tmp_path / "a.pxr", tmp_path / "a.pxr", tmp_path / "c.pxr"], out)
    assert twice.renamed == {"a.png": "a-2.png"}
    content = (tmp_path / "a.pxr").read_bytes()
    (tmp_path / "a.pxr").write_bytes(content[:-3] + bytes(3))
    with pytest.raises(ArchiveError, match=r"a\.pxr: its bytes are not those that were written"):
        merge_archives([tmp_path / "a.pxr"], out, overwrite=True)


def test_what_compressors_refuse():
    with pytest.raises(ConfigError, match=r"two files of a batch are called a\.png"):
        Compressor("photographs")({"bytes": [b"x", b"y"], "path": ["/a.png", "a.png"]})
    with pytest.raises(ConfigError, match="the rows have no column name or path"):
        Compressor("photographs")({"bytes": [b"x"]})
    with pytest.raises(ArchiveError):
        Compressor(ImageModel(ModelConfig(shape=(2, 4, 4), levels=2, layers=1, hidden=4)))(
            {"bytes": [b"x"], "path": ["a"]}
        )


def test_threads_are_set_once(x, monkeypatch):
    told = []
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    scorer = Scorer(MODEL, threads=1)
    scorer({"image": x.numpy()})
    scorer({"image": x.numpy()})
    assert told == [1]
