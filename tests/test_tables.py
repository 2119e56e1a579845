"""The two real tables: what is in them, that another file is refused, and that a split leaks nothing."""

from __future__ import annotations

import gzip
import shutil

import numpy as np
import pytest

from helpers import tables

LOADERS = {"coil2000.csv.gz": tables.load_coil, "german_credit.csv.gz": tables.load_german_credit}


def test_the_insurers_customers():
    table = tables.load_coil()
    assert (table.x.shape, table.y.sum(), len(table.columns)) == ((5822, 85), 348, 85)
    assert (table.columns[0], table.columns[-1]) == ("MOSTYPE", "ABYSTAND") and "CARAVAN" not in table.columns
    assert table.x[0, :3].tolist() == [33, 1, 3] and set(table.amount) == {1.0}


def test_the_banks_applicants():
    table = tables.load_german_credit()
    assert (len(table.x), table.y.sum(), table.x.shape[1]) == (1000, 300, len(table.columns))
    first = dict(zip(table.columns, table.x[0], strict=True))
    assert (first["duration"], first["amount"], table.amount[0]) == (6, 1169, 1169)
    # Its checking account is A11, the first code, which has no column of its own; its purpose is A43.
    assert [first[f"checking=A1{i}"] for i in (2, 3, 4)] == [0, 0, 0] and first["purpose=A43"] == 1
    assert "checking=A11" not in first and "bad" not in first


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_a_table_can_be_learned_from(load):
    x = load().x
    assert np.isfinite(x).all() and np.linalg.matrix_rank(np.column_stack([x, np.ones(len(x))])) == x.shape[1] + 1


def test_a_changed_file_is_refused(tmp_path):
    text = gzip.decompress((tables.FOLDER / "german_credit.csv.gz").read_bytes())
    (tmp_path / "german_credit.csv.gz").write_bytes(gzip.compress(text.replace(b"1169", b"1168")))
    with pytest.raises(tables.TableError, match=r"has the SHA-256 .*, expected .*: restore it from the repository"):
        tables.read_columns("german_credit.csv.gz", tmp_path)


def test_any_way_to_compress_a_file_will_do(tmp_path):
    text = gzip.decompress((tables.FOLDER / "german_credit.csv.gz").read_bytes())
    (tmp_path / "german_credit.csv.gz").write_bytes(gzip.compress(text, compresslevel=1))
    assert len(tables.read_columns("german_credit.csv.gz", tmp_path)["bad"]) == 1000


def test_a_file_that_is_cut_off_missing_or_unknown_is_named(tmp_path):
    with pytest.raises(tables.TableError, match=r"coil2000.csv.gz is missing: restore it"):
        tables.read_columns("coil2000.csv.gz", tmp_path)
    shutil.copy(tables.FOLDER / "coil2000.csv.gz", tmp_path)
    packed = (tmp_path / "coil2000.csv.gz").read_bytes()
    for broken in (packed[: len(packed) // 2], b"no gzip", packed[:50] + b"0123456789" + packed[60:]):
        (tmp_path / "coil2000.csv.gz").write_bytes(broken)
        with pytest.raises(tables.TableError, match="cannot be unpacked"):
            tables.read_columns("coil2000.csv.gz", tmp_path)
    with pytest.raises(tables.TableError, match=r"no table 'adult': choose one of coil2000"):
        tables.read_columns("adult")


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_a_split_holds_each_row_once_with_the_same_share_of_ones(load):
    table = load()
    parts = tables.split(table, seed=3)
    assert sorted(np.concatenate([part.number for part in parts])) == list(range(len(table.y)))
    for part, share in zip(parts, (0.6, 0.2, 0.2), strict=True):
        assert abs(len(part.y) - share * len(table.y)) < 2
        assert abs(part.y.sum() - share * table.y.sum()) < 2
        np.testing.assert_array_equal(part.y, table.y[part.number])
        np.testing.assert_array_equal(part.amount, table.amount[part.number])


def test_a_split_is_standardised_by_its_training_rows_only():
    table = tables.load_german_credit()
    parts = tables.split(table, seed=0)
    varies = table.x[parts.train.number].std(axis=0) > 0
    np.testing.assert_allclose(parts.train.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(parts.train.x[:, varies].std(axis=0), 1, atol=1e-5)
    # Other test rows must not change what the training rows look like.
    moved = table.x.copy()
    moved[parts.test.number] += 1000
    np.testing.assert_array_equal(tables.split(table._replace(x=moved), seed=0).train.x, parts.train.x)


def test_a_column_without_spread_becomes_zero():
    table = tables.load_german_credit()
    parts = tables.split(table._replace(x=np.ones_like(table.x)), seed=0)
    assert not parts.train.x.any() and not parts.test.x.any()


def test_the_seed_chooses_the_split():
    table = tables.load_german_credit()
    first, again, other = (tables.split(table, seed=seed).test.number for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("shares", [{"test": 0}, {"validation": -0.1}, {"test": 0.5, "validation": 0.5}])
def test_shares_that_leave_nothing_are_refused(shares):
    with pytest.raises(ValueError, match="expected shares above 0 that leave rows to train on"):
        tables.split(tables.load_german_credit(), seed=0, **shares)
