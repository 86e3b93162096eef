"""Three small data sets that come with scikit-learn: nothing to fetch, seconds to train.

It is imported when one of them is asked for, because that takes longer than all of `import lab`.
"""

from __future__ import annotations

import numpy as np

from lab.data.parts import Parts
from lab.data.registry import register

SOURCE = "bundled with scikit-learn"


@register(
    "digits", task="classification", shape=(1, 8, 8), rows=(1797, 0), licence="CC BY 4.0 (E. Alpaydin, C. Kaynak)"
)
def digits() -> Parts:
    """Return 1,797 images (1, 8, 8) of ten handwritten digits with 17 grey levels, which scale 1/16 maps to 0 .. 1."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return Parts(
        train=(bunch.images.astype(np.uint8)[:, None], bunch.target),
        n_classes=10,
        classes=tuple(str(label) for label in bunch.target_names),
        scale=1 / 16,
        source=SOURCE,
    )


@register("diabetes", task="regression", shape=(10,), rows=(442, 0), licence="none stated (B. Efron et al. 2004)")
def diabetes() -> Parts:
    """Return 442 patients with ten measurements and the progress of their illness in a year (25 to 346) as the target.

    Taken unscaled and then standardised by the training rows: scikit-learn's own scaling uses the test rows too.
    """
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    return Parts(train=(bunch.data, bunch.target), n_classes=0, standardise=True, source=SOURCE)


@register(
    "breast_cancer", task="classification", shape=(30,), rows=(569, 0), licence="CC BY 4.0 (W. Wolberg et al. 1995)"
)
def breast_cancer() -> Parts:
    """Return 569 tumours with 30 measurements, malignant (0) or benign (1).

    Each measurement is standardised by its mean and deviation over the training rows alone, so neither valid nor test
    rows leak into what is trained on.
    """
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    return Parts(
        train=(bunch.data, bunch.target),
        n_classes=2,
        classes=tuple(str(name) for name in bunch.target_names),
        standardise=True,
        source=SOURCE,
    )
