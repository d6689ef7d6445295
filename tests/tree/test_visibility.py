from __future__ import annotations

import numpy as np

from kptoolkit.tree.visibility import PAD_NODE, PAD_PARENT, ROOT, ROOT_PARENT, matrix, visible

# root, two items, two facts under the first, one under the second, one below a fact
NODES = np.array([0, 1, 2, 3, 4, 5, 6])
PARENTS = np.array([ROOT_PARENT, 0, 0, 1, 1, 2, 3])


def sees(matrix_: np.ndarray, token: int) -> list[int]:
    return np.flatnonzero(matrix_[token]).tolist()


def test_a_node_sees_itself_its_parent_children_and_siblings() -> None:
    seen = matrix(NODES, PARENTS)
    assert sees(seen, 0) == [0, 1, 2]
    assert sees(seen, 1) == [0, 1, 2, 3, 4]
    assert sees(seen, 3) == [1, 3, 4, 6]
    assert sees(seen, 5) == [2, 5]
    assert sees(seen, 6) == [3, 6]


def test_padding_sees_padding_only() -> None:
    node = np.append(NODES, [PAD_NODE, PAD_NODE])
    parent = np.append(PARENTS, [PAD_PARENT, PAD_PARENT])
    seen = matrix(node, parent)
    assert seen[-2:, -2:].all()
    assert not seen[:-2, -2:].any()
    assert not seen[-2:, :-2].any()
    assert (seen[:-2, :-2] == matrix(NODES, PARENTS)).all()


def test_a_batch_has_one_matrix_per_sequence() -> None:
    batch = matrix(np.stack([NODES, NODES[::-1]]), np.stack([PARENTS, PARENTS[::-1]]))
    assert batch.shape == (2, 7, 7)
    assert (batch[0] == batch[1][::-1, ::-1]).all()


def test_the_formula_broadcasts() -> None:
    one = visible(NODES[:1], PARENTS[:1], NODES, PARENTS)
    assert np.flatnonzero(one).tolist() == [ROOT, 1, 2]
