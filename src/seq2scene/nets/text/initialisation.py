"""How the weights of recurrent nets of text begin."""

from torch import nn


def initialise_uniform(module: nn.Module, reach: float) -> None:
    """Draws every parameter from U[-reach, reach], padding embeddings excepted (Luong et al. 2015, section
    4.1).
    """
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -reach, reach)
    for layer in module.modules():
        if isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
            nn.init.zeros_(layer.weight[layer.padding_idx].detach())
