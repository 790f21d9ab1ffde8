"""From pictures to features: small convolutional encoders, one picture or a whole field at once.

An encoder is a stack of convolutions with rectified outputs and a fully connected layer. Its
weights live in the flat tensor of a :class:`~neuro_metarl.agents.population.Population`; what is
here are functions of them, which autograd differentiates.

A *field* is wider than what is seen of it at once. Where the first view of a field and the next are
a multiple of the first stride apart, convolving the field once gives the features of all its views:
the layers after the first are run at every column, and each view takes every n-th of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.tasks.base import Bank

__all__ = ["ENCODERS", "Encoder"]

# channels, size of the kernel, stride
ENCODERS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "linear": (),
    "small": ((16, 4, 2), (16, 3, 2)),
    "small-4": ((16, 4, 2), (16, 4, 2)),
    "wide": ((16, 8, 4), (16, 3, 2)),
    # Mnih et al. 2016, arXiv:1602.01783; Mirowski et al. 2016, arXiv:1611.03673
    "paper": ((16, 8, 4), (32, 4, 2)),
}


@dataclass(frozen=True)
class Encoder:
    """Sizes of an encoder.

    Parameters
    ----------
    kind
        Its convolutions: ``"linear"`` (none), ``"small"`` (16 of 4 x 4 with stride 2, 16 of 3 x 3
        with stride 2), ``"small-4"`` (the second 4 x 4), ``"wide"`` (the first 8 x 8 with stride
        4), ``"paper"`` (16 of 8 x 8 with stride 4, 32 of 4 x 4 with stride 2).
    image
        Channels, rows and columns of a picture.
    n_features
        Outputs.
    rectified
        The outputs are rectified too; otherwise they are linear.

    Raises
    ------
    InputError
        Unknown kind, or pictures too small for it.

    Examples
    --------
    >>> Encoder("small", (3, 16, 40), 64).tensors()["encoder_fc"]
    (64, 432)
    """

    kind: str
    image: tuple[int, int, int]
    n_features: int
    rectified: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ENCODERS:
            raise InputError(f"encoder is {self.kind!r}; {did_you_mean(self.kind, ENCODERS)}")
        if min(self._sizes()[-1][1:]) < 1:
            raise InputError(
                f"pictures of {self.image[1]} rows and {self.image[2]} columns are too small for "
                f"the encoder {self.kind!r}"
            )

    @property
    def layers(self) -> tuple[tuple[int, int, int], ...]:
        """Channels, kernel and stride of each convolution."""
        return ENCODERS[self.kind]

    def _sizes(self) -> list[tuple[int, int, int]]:
        """Channels, rows and columns of the picture and after each convolution."""
        sizes = [self.image]
        for channels, kernel, stride in self.layers:
            _, rows, columns = sizes[-1]
            sizes.append(
                (channels, (rows - kernel) // stride + 1, (columns - kernel) // stride + 1)
            )
        return sizes

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Name the parameters and give their shapes.

        ``encoder_center`` and ``encoder_scale`` standardise the features once and are not learned.

        Returns
        -------
        dict
        """
        shapes: dict[str, tuple[int, ...]] = {}
        sizes = self._sizes()
        for k, (channels, kernel, _) in enumerate(self.layers):
            shapes[f"encoder_conv_{k + 1}"] = (channels, sizes[k][0], kernel, kernel)
            shapes[f"encoder_conv_{k + 1}_bias"] = (channels,)
        channels, rows, columns = sizes[-1]
        shapes["encoder_fc"] = (self.n_features, channels * rows * columns)
        shapes["encoder_fc_bias"] = (self.n_features,)
        return shapes | {
            "encoder_center": (self.n_features,),
            "encoder_scale": (self.n_features,),
        }

    def learned(self) -> list[str]:
        """Name the parameters that are learned.

        Returns
        -------
        list of str
        """
        return [n for n in self.tensors() if n not in ("encoder_center", "encoder_scale")]

    def initialise(self, tensors: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Draw fresh weights in place: uniform, within 1 / sqrt(inputs of a unit).

        Parameters
        ----------
        tensors
            Parameters of one network.
        generator
            Source of randomness.
        """
        for name in self.learned():
            fan_in = tensors[name.removesuffix("_bias")][0].numel()
            size = tensors[name].shape
            drawn = torch.rand(
                size, generator=generator, dtype=tensors[name].dtype, device=generator.device
            )
            tensors[name].copy_((2 * drawn - 1) / fan_in**0.5)
        tensors["encoder_center"].zero_()
        tensors["encoder_scale"].fill_(1)

    def standardize(self, tensors: Mapping[str, Tensor], pictures: Tensor) -> None:
        """Fix, in place, the constants that give features mean 0 and deviation 1 over pictures.

        Parameters
        ----------
        tensors
            Parameters of one network.
        pictures
            Dims (picture, channel, row, column).
        """
        tensors["encoder_center"].zero_()
        tensors["encoder_scale"].fill_(1)
        features = self.encode(tensors, pictures)
        tensors["encoder_center"].copy_(features.mean(0))
        tensors["encoder_scale"].copy_(1 / features.std(0).clamp(min=1e-6))

    def encode(self, tensors: Mapping[str, Tensor], pictures: Tensor) -> Tensor:
        """Turn pictures into features.

        Parameters
        ----------
        tensors
            Parameters of one network.
        pictures
            Dims (picture, channel, row, column).

        Returns
        -------
        torch.Tensor
            Dims (picture, feature).
        """
        x = pictures
        for k, (_, _, stride) in enumerate(self.layers):
            weight, bias = tensors[f"encoder_conv_{k + 1}"], tensors[f"encoder_conv_{k + 1}_bias"]
            x = functional.conv2d(x, weight, bias, stride=stride).relu()
        return self._features(tensors, x.flatten(1))

    def encode_bank(self, tensors: Mapping[str, Tensor], bank: Bank) -> Tensor:
        """Turn all views of a bank into features, each field convolved once.

        Parameters
        ----------
        tensors
            Parameters of one network.
        bank
            Pictures.

        Returns
        -------
        torch.Tensor
            Dims (view, feature).
        """
        if len(bank.offsets) == 1 or not self.layers:
            return self.encode(tensors, bank.views())
        first = self.layers[0][2]
        if any(offset % first for offset in bank.offsets):
            return self.encode(tensors, bank.views())
        x, step = bank.fields, 1
        for k, (_, _, stride) in enumerate(self.layers):
            weight, bias = tensors[f"encoder_conv_{k + 1}"], tensors[f"encoder_conv_{k + 1}_bias"]
            along = stride if k == 0 else 1
            x = functional.conv2d(x, weight, bias, (stride, along), dilation=(1, step)).relu()
            step *= 1 if k == 0 else stride
        columns = self._sizes()[-1][2]
        last = (columns - 1) * step + 1
        cuts = [x[..., o // first : o // first + last : step] for o in bank.offsets]
        return self._features(tensors, torch.stack(cuts, dim=1).flatten(0, 1).flatten(1))

    def _features(self, tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
        x = functional.linear(x, tensors["encoder_fc"], tensors["encoder_fc_bias"])
        x = (x - tensors["encoder_center"]) * tensors["encoder_scale"]
        return x.relu() if self.rectified else x
