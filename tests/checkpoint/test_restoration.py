import json

import numpy as np
import pytest

from sb3_ext.checkpoint.capture import Capture
from sb3_ext.checkpoint.restoration import Restoration

KINDS = (np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64)


@pytest.mark.parametrize("kind", KINDS)
def test_generators_of_every_kind_go_on(kind: type[np.random.BitGenerator]) -> None:
    """In place where the kind is the same, so that what shares a generator goes on sharing it."""
    generator = np.random.Generator(kind(1))
    generator.random(5)
    generator.integers(9, dtype=np.uint32)
    capture = Capture()
    node = json.loads(json.dumps(capture.node(generator, "")))
    wanted = generator.random(3)
    for target in (np.random.Generator(kind(2)), np.random.Generator(np.random.PCG64(3)), None):
        found = Restoration(capture.arrays).value(node, target)
        assert (found is target) == (target is not None and type(target.bit_generator) is kind)
        np.testing.assert_array_equal(found.random(3), wanted)
