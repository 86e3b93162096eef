"""Networks: blocks of layers, and the named descriptions that make them."""

from __future__ import annotations

from lab.networks.block import Block, Source
from lab.networks.network import Network
from lab.networks.specs import MLP, Defaults, Linear, NetworkSpec, linear, mlp

__all__ = ["MLP", "Block", "Defaults", "Linear", "Network", "NetworkSpec", "Source", "linear", "mlp"]
