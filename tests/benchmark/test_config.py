import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from sksubsel import SubSelNet, SubsetSelector
from sksubsel.baselines import EL2N, FacilityLocation, SubsetCallback
from sksubsel.baselines.adaptive import RS2Strategy
from sksubsel.benchmark import read_config, run, run_config
from sksubsel.benchmark.config import make_selector, make_space
from sksubsel.benchmark.data import LOADERS, load_data
from sksubsel.benchmark.run import ForAnotherKind, fit_zoo
from sksubsel.cli import main
from sksubsel.datasets import ImageFiles, ImageTransform, load_digits_images
from sksubsel.spaces import MLP, Transformer
from sksubsel.zoo.store import ForeignStoreError

PROTOCOLS = Path(__file__).parents[2] / "benchmarks" / "protocol"

CONFIG = """
[data]
fractions = [0.2, 0.1, 0.7]
pool = 2
[space]
stem_channels = 4
n_stacks = 1
n_cells = 1
[architectures]
n_seen = 6
n_unseen = 2
n_validation = 1
[recipe]
max_epochs = 1
[zoo]
n_pretrained = 3
[compare]
budgets = [0.1, 0.3]
seeds = [0, 1]
[selectors]
"class-balanced random" = { class = "Random", stratify = "equal", soft_targets = "net" }
RS2 = { class = "RS2Strategy", every = 1 }
net = { class = "SubSelNet", per_seed = true, soft_targets = "net", encoder = { class = "ArchitectureEncoder", max_epochs = 1 }, approximator = { class = "ModelApproximator", max_epochs = 0 } }
proxy = { class = "SubSelNet", zoo_size = 1, encoder = { class = "ArchitectureEncoder", max_epochs = 1 }, approximator = { class = "ModelApproximator", max_epochs = 0 } }
"""  # noqa: E501


TRANSFORMER = {"name": "Transformer"}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "comparison.toml"
    path.write_text(CONFIG)
    return path


def digits(**params):
    given = {"fractions": [0.7, 0.1, 0.2], "judge": "test", "pool": 1, "label_noise": 0.0}
    return load_data("digits", **{**given, "imbalance": 1.0, "seed": 0, **params})


def test_run_in_parts_and_report(config, tmp_path, capsys):
    folder = tmp_path / "out"
    some = {"only": ["class-balanced random"], "budgets": [0.1], "seeds": [1], "verbose": 0}
    run_config(config, folder, **some, soft_targets=False)
    assert not (folder / "zoo").exists(), "which nothing asks for"
    run_config(config, folder, **some)
    assert len(list((folder / "zoo").glob("*.npz"))) == 3
    table = pd.read_csv(folder / "comparison.csv")
    assert len(table) == 3 * 2
    trained = len((folder / "records.jsonl").read_text().splitlines())
    table = run_config(config, folder, verbose=0)
    # 2 architectures and 2 seeds, of full data and, at 2 budgets, of 6 methods
    assert len(table) == 2 * 2 * (1 + 2 * 6)
    assert len((folder / "records.jsonl").read_text().splitlines()) == len(table)
    assert trained == 6
    assert set(table.method) == {
        "full data", "class-balanced random", "class-balanced random + soft targets", "RS2", "net",
        "net + soft targets", "proxy",
    }  # fmt: skip
    assert set(table.n_selected) == {359, 36, 108}
    # another machine's folder needs no zoo: the table is enough
    only_table = tmp_path / "elsewhere"
    only_table.mkdir()
    table.to_csv(only_table / "table.csv", index=False)
    assert main(["report", str(only_table / "table.csv")]) == 0
    out = capsys.readouterr().out
    assert "class-balanced random" in out and "Speed-up at a relative accuracy" in out
    drawn = {path.name for path in only_table.glob("*.png")}
    assert drawn >= {
        "table_rar_speedup.png",
        "table_amortization_0.1.png",
        "table_amortization_0.3.png",
    }


def test_another_recipe_in_the_same_folder(config, tmp_path):
    folder = tmp_path / "out"
    params = {"only": ["proxy"], "budgets": [0.1], "seeds": [0], "verbose": 0}
    first = run_config(config, folder, **params)
    longer = tmp_path / "longer.toml"
    text = config.read_text().replace("[compare]", "[compare]\nrecipe = { min_steps = 40 }")
    longer.write_text(text)
    second = run_config(longer, folder, **params)  # raises, had the zoo's recipe changed
    assert (first.n_selected == second.n_selected).all()
    assert (first.accuracy != second.accuracy).any()
    assert len(pd.read_csv(folder / "comparison.csv")) == len(pd.read_csv(folder / "longer.csv"))


def test_another_zoo_in_the_same_folder(config, tmp_path):
    """It is refused also by a run that asks for none, or two would be in one table."""
    folder = tmp_path / "out"
    params = {"budgets": [0.1], "seeds": [0], "verbose": 0, "soft_targets": False}
    run_config(config, folder, only=["proxy"], **params)
    table = (folder / "comparison.csv").read_text()
    config.write_text(config.read_text().replace("max_epochs = 1\n", "max_epochs = 2\n", 1))
    with pytest.raises(ForeignStoreError, match="other data, labels or training settings"):
        run_config(config, folder, only=["class-balanced random"], **params)
    assert (folder / "comparison.csv").read_text() == table


def test_command(config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    args = ["--only", "class-balanced random", "--budgets", "0.3", "--seeds", "0", "--n-jobs", "1"]
    assert main(["compare", str(config), *args]) == 0
    assert (tmp_path / "comparison" / "comparison.csv").exists()
    assert "30%  class-balanced random" in capsys.readouterr().out
    assert main(["compare", str(config), "--only", "nothing"]) == 1
    assert "nothing" in capsys.readouterr().err
    assert main(["compare", str(config), "--budgets", "0.5"]) == 1
    assert "budgets must be among [0.1, 0.3]; got [0.5]" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "no.csv")]) == 1
    table = str(tmp_path / "comparison" / "comparison.csv")
    assert main(["report", table, "--reference", "nobody"]) == 1
    assert "--reference must be among ['class-balanced random'" in capsys.readouterr().err
    assert main(["report", table, "--only", "randon"]) == 1
    error = capsys.readouterr().err
    assert "must be among ['class-balanced random'," in error and "got ['randon']" in error


def test_a_seed_of_the_selector_alone(config, tmp_path):
    from joblib import Memory

    from sksubsel.benchmark.run import _fit_net

    settings = read_config(config)
    _, seen, zoo = fit_zoo(settings, load_data(**settings["data"]), tmp_path, None, 0)
    net, options = make_selector("net", settings["selectors"]["net"])
    assert options == {"per_seed": True, "soft_targets": "net"}
    net.set_params(random_state=0, budget=20, memory=Memory(tmp_path / "cache", verbose=0))
    first, second, again = (_fit_net(net, [seen, zoo], seed) for seed in (0, 1, 0))
    rows = [one.select(seen[0]) for one in (first, second, again)]
    np.testing.assert_array_equal(rows[0], rows[2])
    assert (rows[0] != rows[1]).any()
    np.testing.assert_array_equal(
        first.encoder_.transform(seen[:1]), second.encoder_.transform(seen[:1])
    )


def test_what_is_selected_for_another_kind():
    class Echo:
        def select(self, arch, budget, random_state):
            return arch, budget, random_state

    mlps, transformers = MLP().sample(2, random_state=0), Transformer().sample(2, random_state=0)
    archs = [mlps[0], transformers[0], transformers[1], mlps[1]]
    other = ForAnotherKind(Echo(), archs)
    chosen = [archs.index(other(arch, 5, 7)[0]) for arch in archs]
    assert chosen == [1, 3, 3, 1]
    assert other(archs[0], 5, 7)[1:] == (5, 7)


def test_another_kind_in_a_comparison(tmp_path):
    path = tmp_path / "mixed.toml"
    spaces = """
name = "Mixed"
[[space.spaces]]
name = "MLP"
widths = [8]
dropouts = [0.0]
[[space.spaces]]
name = "Transformer"
depths = [1]
widths = [16]
"""
    text = CONFIG.replace("stem_channels = 4\nn_stacks = 1\nn_cells = 1\n", spaces)
    text = text.replace("zoo_size = 1", "another_kind = true").replace(
        "seeds = [0, 1]", "seeds = [0]"
    )
    # of this seed the first two are of two kinds
    text = text.replace("n_seen = 6", "n_seen = 10\nseed = 3")
    path.write_text(text)
    table = run_config(path, tmp_path / "run", only=["proxy"], budgets=[0.1], verbose=0)
    assert set(table.method) == {"full data", "proxy"} and table.arch.nunique() == 2
    path.write_text(text.replace("n_unseen = 2", "n_unseen = 1"))
    with pytest.raises(ValueError, match="'proxy'.* two or more spaces .another_kind"):
        run_config(path, tmp_path / "other", only=["proxy"], verbose=0)
    assert not list((tmp_path / "other").glob("zoo/*"))


def test_subsets_in_turns(tmp_path, monkeypatch):
    """Others in each epoch, as many as of one subset; what is shared is no selection time."""
    path = tmp_path / "turns.toml"
    turns = 'turns = 4, per_seed = true, soft_targets = "proxy"'
    text = CONFIG.replace("zoo_size = 1", turns, 1)
    path.write_text(text.replace("[0.1, 0.3]", "[0.1, 0.6]"))
    prepared = []
    select = SubsetSelector.select_disjoint

    def recorded(self, predictions, n_subsets, budget, random_state):
        prepared.append((n_subsets, budget, set(self._of_parts)))
        return select(self, predictions, n_subsets, budget, random_state)

    monkeypatch.setattr(SubsetSelector, "select_disjoint", recorded)
    table = run_config(path, tmp_path / "run", only=["proxy", "class-balanced random"], verbose=0)
    rows = table[table.method == "proxy"].sort_values("budget")
    assert rows.n_selected.tolist() == 4 * [36] + 4 * [215]
    assert (table.method == "proxy + soft targets").sum() == len(rows)
    # of six tenths of the rows there is one subset; all are made before they are asked for
    assert {one[:2] for one in prepared} == {(4, 36), (1, 215)}
    assert all((budget, n - 1, n) in done for n, budget, done in prepared)
    again = run_config(path, tmp_path / "run", only=["proxy"], verbose=0)
    pd.testing.assert_frame_equal(again, table)


def test_image_files_of_a_comparison(tmp_path, monkeypatch):
    """Only the rows that are used are decoded, in the size asked for."""
    Image = pytest.importorskip("PIL.Image")
    paths = [tmp_path / f"{k}.png" for k in range(20)]
    for k, path in enumerate(paths):
        Image.new("RGB", (8, 8), (k, k, k)).save(path)
    for path in paths[14:]:  # what is neither to train nor to validate on
        path.write_bytes(b"")

    def load(size=8):
        # so that place j of the comparison's order, of its seed, is picture j
        order = np.argsort(np.random.default_rng(0).permutation(20))
        images = ImageFiles([paths[k] for k in order], size)
        test = ImageFiles(paths[:3], size)
        return Bunch(data=images, target=order % 2, test_data=test, test_target=np.array([0, 1, 0]))

    monkeypatch.setitem(LOADERS, "caltech256", load)
    settings = {"fractions": [0.5, 0.2, 0.3], "judge": "test", "pool": 2, "label_noise": 0.0}
    data = load_data("caltech256", **settings, imbalance=1.0, seed=0, size=4)
    assert data.X.shape == (10, 3, 2, 2) and data.X_test.shape == (3, 3, 2, 2)
    assert data.validation[0].shape == (4, 3, 2, 2)
    np.testing.assert_allclose(data.X[:, 0, 0, 0] * 255, np.arange(10), rtol=1e-6)
    np.testing.assert_allclose(data.X_test[:, 0, 0, 0] * 255, np.arange(3), rtol=1e-6)
    assert load_data("caltech256", **settings, imbalance=1.0, seed=0).X.shape == (10, 3, 4, 4)


def test_behind_the_data_sets_transform(config, tmp_path, monkeypatch):
    own = ImageTransform(mean=(0.3,), std=(0.3,), horizontal_flip=True)
    X, y = load_digits_images(return_X_y=True)
    monkeypatch.setitem(LOADERS, "cifar10", lambda: Bunch(data=X, target=y, transform=own))
    text = config.read_text().replace("[data]", '[data]\nname = "cifar10"\ntransform = true')
    config.write_text(text)
    settings = read_config(config)
    data = load_data(**settings["data"])
    assert data.transform is own
    zoo = fit_zoo(settings, data, tmp_path, None, 0)[2]
    assert repr(zoo.estimator_.build.transform) == repr(own)
    assert load_data(**settings["data"] | {"transform": False}).transform is None
    with pytest.raises(ValueError, match="data sets that have one; digits has none"):
        digits(transform=True)
    own.crop_padding = 1
    with pytest.raises(ValueError, match="pool must be 1 where the transform crops; got 2"):
        load_data(**settings["data"])
    config.write_text(text.replace('name = "cifar10"', 'path = "X.npz"'))
    with pytest.raises(ValueError, match="transform belongs to a data set's name; got a path"):
        read_config(config)
    config.write_text(text.replace("transform = true", "transform = 1"))
    with pytest.raises(ValueError, match="transform must be true or false; got 1"):
        read_config(config)


def test_selectors_of_a_file():
    callback, _ = make_selector("x", {"class": "RS2Strategy", "every": 3})
    assert isinstance(callback, SubsetCallback) and callback.every == 3
    assert isinstance(callback.strategy, RS2Strategy)
    el2n, _ = make_selector(
        "x", {"class": "EL2N", "estimator": {"class": "ArchitectureClassifier", "max_epochs": 4}}
    )
    assert isinstance(el2n, EL2N) and el2n.estimator.max_epochs == 4
    location, _ = make_selector("x", {"class": "FacilityLocation", "stratify": "equal"})
    assert isinstance(location, FacilityLocation) and location.stratify == "equal"
    net, options = make_selector("x", {"class": "SubSelNet", "lam": 0.3, "zoo_size": 2})
    assert isinstance(net, SubSelNet) and net.lam == 0.3 and options == {"zoo_size": 2}


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("[zoo]", "[zoos]", r"sections of .* got \['zoos'\]"),
        ("pool", "pools", r"\[data\] must be among .*'pool'.*got \['pools'\]"),
        ("n_seen", "seen", r"\[architectures\] .* got \['seen'\]"),
        ("max_epochs = 1\n[zoo]", "epochs = 1\n[zoo]", r"\[recipe\] .* got \['epochs'\]"),
        (
            'class = "Random"',
            'class = "Randon"',
            "'class-balanced random'.*got 'Randon'.*mean 'Random'",
        ),
        ('class = "Random", ', "", "must have a class"),
        ('stratify = "equal"', "strata = 1", r"of Random, must be among .*got \['strata'\]"),
        ("pool = 2", 'name = "mnist"', "name must be one of .*digits.*got 'mnist'"),
        ("pool = 2", "size = 32", r"\[data\] size is of image files alone.*got 32 for digits"),
        (
            "pool = 2",
            'name = "caltech256"\nsize = 0',
            r"\[data\] size must be a positive int; got 0",
        ),
        ("pool = 2", 'judge = "train"', "judge must be one of .*got 'train'"),
        ("stem_channels = 4", 'name = "Nowhere"', "name must be one of .*got 'Nowhere'"),
        ("stem_channels = 4", "stem = 4", r"\[space\] must be among .*got \['stem'\]"),
        ("[compare]", "[compare]\nrecipe = {steps = 1}", r"\[compare\] recipe .* got \['steps'\]"),
        ("[compare]", "[compare]\nrecipe = 3", r"\[compare\] recipe must be a table .* got 3"),
        ('soft_targets = "net"', 'soft_targets = "RS2"', r"soft_targets must be one of .*'net'"),
        ('class = "Random"', 'class = "Architecture"', "must be one of .*got 'Architecture'"),
        ('stratify = "equal"', 'stratify = "equl"', "'class-balanced random'.*'stratify'"),
        ("budgets = [0.1, 0.3]", "budgets = 0.1", r"\[compare\] budgets must be a list"),
        ("budgets = [0.1, 0.3]", "budgets = [5.0]", r"\[compare\] budgets must be .*got \[5.0\]"),
        ("budgets = [0.1, 0.3]", "budgets = [true]", r"\[compare\] budgets must be ints"),
        ("budgets = [0.1, 0.3]", "budgets = [0]", r"\[compare\] budgets must be ints"),
        ("n_unseen = 2", "n_unseen = -1", r"\[architectures\] n_unseen .*0; got -1"),
        ("n_seen =", "seed = 0.5\nn_seen =", r"\[architectures\] seed must be an int .*got 0.5"),
        ("seeds = [0, 1]", "seeds = [1, 1]", r"\[compare\] seeds must be distinct"),
        ("seeds = [0, 1]", "seeds = 3", r"\[compare\] seeds must be a list of numbers; got 3"),
        (
            "seeds = [0, 1]",
            "seeds = [0, -1]",
            r"\[compare\] seeds must be .* at least 0; got .0, -1",
        ),
        ("seeds = [0, 1]", "seeds = [true]", r"\[compare\] seeds must be .* ints"),
        ("RS2 =", '"full data" =', r"\[selectors\] must not have 'full data'"),
        ("every = 1", "every = -1", r"'RS2'\]: every must be an int in \[0, inf\) .*; got -1"),
        ("every = 1", "warm_start = 0.5", r"'RS2'\]: warm_start must be an int"),
        (
            'class = "RS2Strategy"',
            'class = "InfoBatchStrategy", ratio = 2',
            r"'RS2'\]: The 'ratio' parameter of InfoBatchStrategy",
        ),
        ("max_epochs = 1\n[zoo]", 'max_epochs = "3"\n[zoo]', "'max_epochs' parameter"),
        ("zoo_size = 1", "another_kind = true", "'proxy'.*another_kind needs .*Mixed"),
        ("zoo_size = 1", "turns = 0", "'proxy'.*turns must be an int of at least 1; got 0"),
        ("zoo_size = 1", "another_kind = true, turns = 2", "'proxy'.*another_kind needs .*Mixed"),
        ("zoo_size = 1", "turns = true", "turns must be an int of at least 1; got True"),
        (
            "zoo_size = 1",
            "turn = 4",
            r"must be among .*'turns'.*got \['turn'\] .did you mean 'turns'",
        ),
        ('class = "RS2Strategy"', 'class = "RS2"', "class must be one of .*mean 'RS2Strategy'"),
        ('class = "Random"', 'class = "TurnsStrategy"', "turns = K of a SubSelNet makes them"),
        ("[data]", "[data", "is not TOML"),
        ("[selectors]", "[others]", "sections"),
    ],
)
def test_mistakes_cost_no_training(tmp_path, old, new, message):
    path = tmp_path / "bad.toml"
    assert old in CONFIG
    path.write_text(CONFIG.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_config(path)


@pytest.mark.parametrize(
    ("section", "recipe"),
    [("[recipe]", "early_stopping = true"), ("[compare]", "recipe = { early_stopping = true }")],
)
def test_turns_need_a_recipe_that_holds_out_no_rows(config, section, recipe):
    text = CONFIG.replace("zoo_size = 1", "turns = 2").replace(section, f"{section}\n{recipe}")
    config.write_text(text)
    with pytest.raises(ValueError, match="'proxy'.*turns need .*early_stopping = false.*got true"):
        read_config(config)
    config.write_text(text.replace("early_stopping = true", "early_stopping = false"))
    assert read_config(config)["selectors"]["proxy"]["turns"] == 2


def test_a_warm_start_of_the_whole_training_costs_no_zoo(config, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "fit_zoo", pytest.fail)
    config.write_text(CONFIG.replace("every = 1", "warm_start = 1"))
    with pytest.raises(ValueError, match=r"'RS2'\]: warm_start must be less than .*=1,.*got 1"):
        run_config(config, tmp_path / "out", only=["RS2"], verbose=0)


def test_a_warm_start_is_checked_of_the_shortest_training_asked_for(config, tmp_path, monkeypatch):
    """Of 36 rows, one batch, there are three epochs; of 108, four batches, there is one."""

    class Begun(Exception):
        pass

    def fit_zoo(*_, **__):
        raise Begun

    monkeypatch.setattr(run, "fit_zoo", fit_zoo)
    recipe = "[recipe]\nmin_steps = 3\nbatch_size = 36"
    config.write_text(CONFIG.replace("every = 1", "warm_start = 1").replace("[recipe]", recipe))
    given = {"only": ["RS2"], "verbose": 0}
    with pytest.raises(ValueError, match=r"'RS2'\]: warm_start must be less than .*=1,.*got 1"):
        run_config(config, tmp_path / "out", **given)
    with pytest.raises(Begun):
        run_config(config, tmp_path / "out", budgets=[0.1], **given)


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        ("[0.1, 126000]", r"budget must be .*n_samples=359.*; got 126000"),
        ("[0.1, 36]", "budgets must be distinct; got 36 for 36"),
    ],
)
def test_budgets_are_those_of_the_data(config, tmp_path, monkeypatch, budgets, message):
    config.write_text(CONFIG.replace("[0.1, 0.3]", budgets))
    monkeypatch.setattr(run, "fit_zoo", pytest.fail)
    with pytest.raises(ValueError, match=message):
        run_config(config, tmp_path / "out", verbose=0)


def test_an_edited_selector_is_another_one(config, tmp_path):
    """Its rows are told from those of the one before, also of records that do not name it."""
    folder = tmp_path / "out"
    params = {"only": ["class-balanced random"], "soft_targets": False, "verbose": 0}
    before = run_config(config, folder, **params)
    file = folder / "records.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert all(line.pop("selector") for line in lines)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    same = run_config(config, folder, **params)
    pd.testing.assert_frame_equal(same, before)
    config.write_text(CONFIG.replace('stratify = "equal"', 'stratify = "proportional"'))
    with pytest.warns(UserWarning, match=r"6 rows are left out.*'class-balanced random'"):
        after = run_config(config, folder, **params, budgets=[0.1], seeds=[0])
    rows = after[after.method != "full data"]
    assert len(after) == 6 and len(rows) == 2
    assert set(rows.seed) == {0} and set(rows.budget) == {0.1}
    # as it was: nothing is trained, and all rows are there again
    n_lines = len(file.read_text().splitlines())
    config.write_text(CONFIG)
    again = run_config(config, folder, **params, budgets=[0.3], seeds=[1])
    assert len(file.read_text().splitlines()) == n_lines + 1
    pd.testing.assert_frame_equal(again, before)


def test_a_table_of_fewer_seeds_is_of_these_alone(config, tmp_path):
    params = {"only": ["class-balanced random"], "soft_targets": False, "verbose": 0}
    run_config(config, tmp_path / "out", **params)
    config.write_text(CONFIG.replace("seeds = [0, 1]", "seeds = [0]"))
    table = run_config(config, tmp_path / "out", **params)
    assert (table[table.method == "full data"].rar == 0).all()


def test_a_file_that_extends_another(config, tmp_path):
    """From wherever it is read: keys of sections and selectors by name in place or besides."""
    (tmp_path / "variants").mkdir()
    middle, last = tmp_path / "variants" / "middle.toml", tmp_path / "last.toml"
    middle.write_text(
        'extends = "../comparison.toml"\n[recipe]\nstratify_batches = true\n'
        "[compare]\nrecipe = { min_steps = 3, lr = 0.1 }\n"
        '[selectors]\nRS2 = { class = "Random" }\nherding = { class = "Herding" }\n'
    )
    last.write_text('extends = "variants/middle.toml"\n[compare]\nseeds = [7]\nrecipe.lr = 0.2\n')
    base, found = read_config(config), read_config(last)
    assert found["recipe"] == {"max_epochs": 1, "stratify_batches": True}
    recipe = {"min_steps": 3, "lr": 0.2}
    assert found["compare"] == {**base["compare"], "seeds": [7], "recipe": recipe}
    assert list(found["selectors"]) == [*base["selectors"], "herding"]
    assert found["selectors"]["RS2"] == {"class": "Random"}
    assert found["selectors"]["net"] == base["selectors"]["net"]
    assert found["zoo"] == base["zoo"] and found["data"] == base["data"]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("extends = 1", "extends of .*bad.toml must be the path of a file.*; got 1"),
        ('extends = ""', "extends of .*bad.toml must be the path of a file.*; got ''"),
        ('extends = "missing.toml"', "extends of .*bad.toml must be .*; got 'missing.toml'"),
        ('extend = "comparison.toml"', "sections of .*did you mean 'extends'"),
        ('[selectors]\nextends = "comparison.toml"', "'extends'. must be a table with a class"),
        ('extends = "bad.toml"', "extends of .*bad.toml must not lead back to a file itself"),
        ('extends = "round.toml"', "extends of .*round.toml must not lead back"),
        ('extends = "comparison.toml"\ncompare = 3', "compare of .* must be a section"),
        ('extends = "comparison.toml"\n[compar]', "sections of .*bad.toml.*did you mean"),
    ],
)
def test_mistakes_in_extending(config, tmp_path, first, message):
    (tmp_path / "bad.toml").write_text(first)
    (tmp_path / "round.toml").write_text('extends = "./bad.toml"')
    with pytest.raises(ValueError, match=message):
        read_config(tmp_path / "bad.toml")


@pytest.mark.parametrize("path", sorted(PROTOCOLS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_protocols_are_in_order(path):
    config = read_config(path)
    assert "class-balanced random" in config["selectors"]
    # chosen with nothing that is judged by
    assert config["architectures"]["n_validation"] >= 4
    assert config["data"]["fractions"][1] > 0


def test_a_mixed_space():
    space = make_space({"name": "Mixed", "spaces": [{"name": "MLP", "widths": [8]}, TRANSFORMER]})
    assert [type(one).__name__ for one in space.spaces] == ["MLP", "Transformer"]
    assert list(space.spaces[0].widths) == [8]
    with pytest.raises(ValueError, match=r"\[space\] spaces\[1\] name must be .*got 'Mlp'"):
        make_space({"name": "Mixed", "spaces": [TRANSFORMER, {"name": "Mlp"}]})
    wrong = {
        "MLP": r"\[space\] spaces\[0\] must be a table with a name; got 'MLP'",
        ("name", "MLP", "depths", 3): r"\[space\] spaces\[0\]: depths must be a sequence .*got 3",
    }
    for spec, message in wrong.items():
        spec = spec if isinstance(spec, str) else dict(zip(spec[::2], spec[1::2]))
        with pytest.raises(ValueError, match=message):
            make_space({"name": "Mixed", "spaces": [spec]})
    with pytest.raises(ValueError, match="must be a list of tables; got 'MLP'"):
        make_space({"name": "Mixed", "spaces": "MLP"})


def test_selectors_are_needed(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("[data]\n")
    with pytest.raises(ValueError, match="section \\[selectors"):
        read_config(path)


def test_splits_are_apart():
    X, _ = load_digits_images(return_X_y=True)
    test, validation = digits(), digits(judge="validation")
    assert [len(part) for part in test[:4]] == [1258, 1258, 359, 359]
    assert len(validation.X_test) == 180 and validation.validation is None
    np.testing.assert_array_equal(test.X, validation.X)
    np.testing.assert_array_equal(test.validation[0], validation.X_test)
    np.testing.assert_array_equal(test.validation[1], validation.y_test)
    assert digits(fractions=[0.8, 0.0, 0.2]).validation is None
    parts = [test.X, validation.X_test, test.X_test]
    seen = np.concatenate([part.reshape(len(part), -1) for part in parts])
    assert sorted(map(tuple, seen)) == sorted(map(tuple, X.reshape(len(X), -1)))


def test_pooling_averages():
    whole, pooled = digits(), digits(pool=2)
    assert pooled.X.shape[1:] == (1, 4, 4)
    np.testing.assert_allclose(pooled.X[5, 0, 1, 2], whole.X[5, 0, 2:4, 4:6].mean(), rtol=1e-6)
    assert pooled.X_test.shape[1:] == pooled.validation[0].shape[1:] == (1, 4, 4)


def test_noise_is_in_training_labels_alone():
    clean, noisy = digits(), digits(label_noise=0.2)
    assert (clean.y != noisy.y).sum() == round(0.2 * len(clean.y))
    assert noisy.y.max() == 9 and noisy.y.min() == 0
    np.testing.assert_array_equal(clean.y_test, noisy.y_test)
    np.testing.assert_array_equal(clean.X, noisy.X)


def test_long_tail():
    counts = np.bincount(digits(imbalance=10.0).y)
    whole = np.bincount(digits().y)
    np.testing.assert_allclose(counts / whole, 10.0 ** (-np.arange(10) / 9), atol=0.01)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"fractions": [0.5, 0.1]}, "fractions"),
        ({"fractions": [0.5, 0.1, 0.1]}, "add up to 1"),
        ({"label_noise": 1.0}, r"label_noise .*\[0, 1\); got 1.0"),
        ({"imbalance": 0.5}, "imbalance .* got 0.5"),
        ({"pool": 3}, "pool must divide the 8 x 8 pixels; got 3"),
    ],
)
def test_data_mistakes(params, message):
    with pytest.raises(ValueError, match=message):
        digits(**params)


def own(path, **params):
    return digits(fractions=[0.5, 0.25, 0.25], path=str(path), **params)


def test_files_of_ones_own(tmp_path):
    X = np.arange(48, dtype=np.float32).reshape(12, 4)
    names = np.array(["b", "a", "c"])[np.arange(12) % 3]
    np.savez(tmp_path / "mine.npz", X=X, y=names)
    data = own(tmp_path / "mine.npz")
    assert data.X.shape == (6, 4) and data.X_test.shape == (3, 4)
    rows = (data.X[:, 0] / 4).astype(int)
    assert (names[rows] == np.array(["a", "b", "c"])[data.y]).all()  # classes in order
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "labels.npy", np.arange(12) % 3 + 5)
    data = own(tmp_path / "X.npy", labels=str(tmp_path / "labels.npy"))
    assert set(data.y) == {0, 1, 2}
    image = pytest.importorskip("PIL.Image")
    for k, name in enumerate(("cat", "dog")):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(4):
            image.new("RGB", (9, 7), (100 * k, 0, i)).save(tmp_path / f"images/{name}/{i}.png")
    assert own(tmp_path / "images", size=8, pool=2).X.shape == (4, 3, 4, 4)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"path": "none.npz"}, r"\[data\] path must be a file or a folder; there is no"),
        ({"path": "mine.npz", "target": "a"}, r"\[data\] target belongs to \[data\] path of .parq"),
        ({"path": "floats.npz"}, "labels that are classes; got float64"),
        ({"path": "mine.npz", "pool": 2}, r"pool is of images alone; got .* \(4,\)"),
    ],
)
def test_mistakes_of_ones_own(tmp_path, monkeypatch, params, message):
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", X=np.ones((12, 4), np.float32), y=np.arange(12) % 3)
    np.savez("floats.npz", X=np.ones((12, 4), np.float32), y=np.linspace(0, 1, 12))
    with pytest.raises((ValueError, OSError), match=message):
        own(**params)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('name = "digits"\npath = "a.npz"', r"a name or a path; got both, 'digits' and 'a.npz'"),
        ('labels = "a.npy"', r"\[data\] labels belongs to a path; got 'a.npy' without one"),
        ('path = "a.npz"\nsize = 0', r"\[data\] size must be a positive int; got 0"),
    ],
)
def test_mistakes_of_a_path(tmp_path, lines, message):
    path = tmp_path / "own.toml"
    path.write_text(f'[data]\n{lines}\n[selectors."r"]\nclass = "Random"\n')
    with pytest.raises(ValueError, match=message):
        read_config(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [("max_epochs = 1\n[zoo]", "{}\n[zoo]"), ("[compare]", "[compare]\nrecipe = {{ {} }}")],
)
def test_class_weight_in_a_file(config, old, new):
    """Keys are strings in TOML, and labels are none: said before anything is trained."""
    text = config.read_text()
    config.write_text(text.replace(old, new.format('class_weight = "balanced"')))
    read_config(config)
    config.write_text(text.replace(old, new.format('class_weight = { "0" = 2.0 }')))
    with pytest.raises(ValueError, match="recipe.* class_weight must be 'balanced'"):
        read_config(config)


def test_labels_alone(config, tmp_path, capsys):
    """The same trainings on labels; none on soft targets, and no net fitted to give them."""
    params = {"only": ["class-balanced random"], "budgets": [0.3], "seeds": [0], "verbose": 0}
    hard = run_config(config, tmp_path / "hard", **params, soft_targets=False)
    assert set(hard.method) == {"full data", "class-balanced random"}
    assert not (tmp_path / "hard" / "cache").exists()
    both = run_config(config, tmp_path / "hard", **params)
    assert set(both.method) == {*hard.method, "class-balanced random + soft targets"}
    pd.testing.assert_frame_equal(hard, both[both.method.isin(hard.method)].reset_index(drop=True))
    args = ["--folder", str(tmp_path / "cli"), "--only", "class-balanced random", "--n-jobs", "1"]
    parts = ["--budgets", "0.3", "--seeds", "0", "--labels-only"]
    assert main(["compare", str(config), *args, *parts]) == 0
    assert "soft targets" not in capsys.readouterr().out


def test_on_validation_architectures_and_instances(config, tmp_path, capsys):
    """The same as the file would say, whatever it says, beside the table on test instances."""
    params = {"only": ["class-balanced random"], "budgets": [0.3], "seeds": [0], "verbose": 0}
    tested = run_config(config, tmp_path / "out", **params)
    chosen = run_config(config, tmp_path / "out", **params, validation=True)
    assert len(chosen.arch.unique()) == 1 and len(tested.arch.unique()) == 2
    assert chosen.validation_accuracy.isna().all()
    settings = tmp_path / "said.toml"
    settings.write_text(
        config.read_text()
        .replace("[data]", '[data]\njudge = "validation"')
        .replace("[architectures]", '[architectures]\njudge = "validation"')
    )
    said = run_config(settings, tmp_path / "out", **params)
    assert said.accuracy.tolist() == chosen.accuracy.tolist()
    args = ["--folder", str(tmp_path / "out"), "--only", "class-balanced random", "--n-jobs", "1"]
    parts = ["--budgets", "0.3", "--seeds", "0", "--validation"]
    assert main(["compare", str(config), *args, *parts]) == 0
    assert "comparison_validation" in capsys.readouterr().out
    kept = pd.read_csv(tmp_path / "out" / "comparison_validation.csv")
    assert kept.accuracy.tolist() == chosen.accuracy.tolist()
    for line in ("n_validation = 1", "fractions = [0.2, 0.1, 0.7]"):
        config.write_text(CONFIG.replace(line, line.replace("1", "0").replace("0.7", "0.8")))
        with pytest.raises(ValueError, match=r"second share in \[data\] fractions.*above 0; got"):
            run_config(config, tmp_path / "out", validation=True)
    for wrong in ("[1.0]", "1.0"):
        config.write_text(CONFIG.replace("[0.2, 0.1, 0.7]", wrong))
        with pytest.raises(ValueError, match="fractions must be three"):
            run_config(config, tmp_path / "out", validation=True)


def test_no_architectures_to_compare_on(config, tmp_path):
    config.write_text(config.read_text().replace("n_unseen = 2", "n_unseen = 0"))
    with pytest.raises(ValueError, match=r"\[architectures\] n_unseen must be at least 1"):
        run_config(config, tmp_path / "run", verbose=0)
    config.write_text("[data\xe9", encoding="latin-1")
    with pytest.raises(ValueError, match="is not TOML: 'utf-8'"):
        read_config(config)
