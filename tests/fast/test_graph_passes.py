"""What our passes do to a graph, and that it still computes the same."""

import torch as th
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from sb3_ext.fast.graph_passes import UnfuseBias


def test_biases_are_added_behind_the_product() -> None:
    layer, x = nn.Linear(3, 4), th.randn(5, 3)

    def forward(x: th.Tensor) -> th.Tensor:
        scaled = th.addmm(layer.bias, x, layer.weight.t(), beta=0.5)  # is left as it is
        return layer(x).relu() + scaled

    traced = make_fx(forward)(x)
    before = [node.target for node in traced.graph.nodes]
    UnfuseBias()(traced.graph)
    traced.recompile()
    after = [node.target for node in traced.graph.nodes]
    aten = th.ops.aten
    assert before.count(aten.addmm.default) == 2 and aten.mm.default not in before
    assert after.count(aten.addmm.default) == 1 and after.count(aten.mm.default) == 1
    th.testing.assert_close(traced(x), forward(x))
