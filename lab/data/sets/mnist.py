"""MNIST, embedded in the package: 28 x 28 grey images of handwritten digits (Y. LeCun, C. Cortes, C. J. C. Burges)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lab.data.idx import read_idx
from lab.data.parts import Pair, Parts
from lab.data.registry import register

FOLDER = Path(__file__).parents[1] / "files" / "mnist"
PUBLISHED = {  # SHA-256 of the .gz files
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


@register(
    "mnist",
    task="classification",
    shape=(1, 28, 28),
    rows=(60000, 10000),
    licence="CC BY-SA 3.0 (Y. LeCun, C. Cortes, C. Burges)",
)
def mnist() -> Parts:
    """Return 60,000 and 10,000 images (1, 28, 28) of ten digits, each file checked against its published SHA-256."""
    remedy = "it is part of the package: install that again"

    def part(prefix: str, rows: int) -> Pair:
        images, labels = f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"
        x = read_idx(FOLDER / images, (rows, 28, 28), packed=PUBLISHED[images], remedy=remedy)
        y = read_idx(FOLDER / labels, (rows,), packed=PUBLISHED[labels], top=9, remedy=remedy)
        return x.reshape(rows, 1, 28, 28), y

    return Parts(
        train=part("train", 60000),
        test=part("t10k", 10000),
        n_classes=10,
        classes=tuple("0123456789"),
        default_valid=5000,
        digest=hashlib.sha256("".join(PUBLISHED.values()).encode()).hexdigest(),
        source="MNIST, embedded in the package",
    )
