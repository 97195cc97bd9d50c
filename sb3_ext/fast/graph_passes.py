"""What PyTorch's compiler leaves undone in the graphs of small networks on a CPU."""

import torch as th
from torch._inductor.custom_graph_pass import CustomGraphPass


class UnfuseBias(CustomGraphPass):
    """
    Add the bias of a linear layer in the kernel of its activation.

    Before the product of two matrices PyTorch's ``addmm`` copies the bias into every row of the result, by two more
    operations, which takes a third of the time of a product of 64x64 matrices. Inductor does this itself on GPUs.
    """

    def __call__(self, graph: th.fx.Graph) -> None:
        """Replace ``addmm`` by a product and a sum, in place."""
        aten = th.ops.aten
        for node in graph.find_nodes(op="call_function", target=aten.addmm.default):
            bias, *factors = node.args
            if node.kwargs:
                continue  # scaled by alpha or beta
            with graph.inserting_before(node):
                product = graph.call_function(aten.mm.default, tuple(factors))
                total = graph.call_function(aten.add.Tensor, (product, bias))
            product.meta["val"] = total.meta["val"] = node.meta["val"]
            node.replace_all_uses_with(total)
            graph.erase_node(node)

    def uuid(self) -> str:
        """Name this version of the pass for the cache of compiled graphs."""
        return "sb3_ext.UnfuseBias.1"
