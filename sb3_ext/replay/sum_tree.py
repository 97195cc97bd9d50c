"""Numbers that change, drawn in proportion to their size."""

import numpy as np

from sb3_ext.common.arrays import FloatArray, IntArray

WIDTH = 32
LARGEST_ROOT = 1024

_SHIFT = np.array(5)  # index >> _SHIFT is the block of an index; NumPy takes a plain 5 more slowly
_ONES = np.ones(WIDTH)
_AFTER = np.tril(np.ones((WIDTH, WIDTH)), -1)  # block @ _AFTER: for each number the sum of those behind it in its block


class SumTree:
    """
    Non-negative numbers, all 0 at first, with the sums of blocks of 32 and the sums of 32 such sums.

    A million numbers need three levels: the numbers, 31 250 sums, 977 sums. Each level takes a few calls to NumPy for a
    whole batch, and a binary tree has twenty levels. Sums are always taken afresh, so rounding errors do not pile up.

    :param size: how many numbers, at least 1
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._blocks: list[FloatArray] = []  # the numbers, then sums of these blocks and so on, shape (n, WIDTH)
        while size > LARGEST_ROOT or not self._blocks:
            size = -(-size // WIDTH)
            self._blocks.append(np.zeros((size, WIDTH)))
        self._root = np.zeros(size)

    def __getitem__(self, indices: IntArray) -> FloatArray:
        return self._blocks[0].reshape(-1).take(indices)

    def clear(self) -> None:
        """Set every number to 0."""
        for level in (*self._blocks, self._root):
            level.fill(0.0)

    def update(self, indices: IntArray, values: FloatArray | float) -> None:
        """Change numbers to finite ones >= 0, shape (n,) or one for all; of equal indices the last counts."""
        for level in self._blocks:
            level.reshape(-1)[indices] = values
            indices = indices >> _SHIFT
            values = level.take(indices, axis=0).dot(_ONES)
        self._root[indices] = values

    def draw(self, n: int) -> tuple[IntArray, FloatArray]:
        """
        Cut the sum of all numbers into n equal parts and draw from each, in proportion to the numbers.

        Returns indices in ascending order and the numbers there, none of them 0; ``ValueError`` if all numbers are.
        Randomness comes from NumPy's global generator, as in SB3's buffers.
        """
        sums = self._root.cumsum()
        total = float(sums[-1])
        if not total > 0:
            raise ValueError("There is nothing to draw: every number is 0.")
        rest = np.random.random(n)
        rest += np.arange(float(n))
        rest *= total * (1 - 1e-15) / n  # below the total, also after rounding
        found = sums.searchsorted(rest, side="right")
        rest = sums.take(found) - rest  # how far from the end of the block
        starts = np.arange(0, n * WIDTH, WIDTH)
        for level in reversed(self._blocks):
            after = level.take(found, axis=0).dot(_AFTER)
            inside = (after <= rest[:, None]).argmax(axis=1)
            rest -= after.take(starts + inside)
            found = found << _SHIFT
            found += inside
        values = self[found]
        if np.count_nonzero(values) < n:
            # met by rounding, once in a blue moon
            positive = np.flatnonzero(self._blocks[0])
            found = positive.take(positive.searchsorted(found), mode="clip")
            values = self[found]
        return found, values
