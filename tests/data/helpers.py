"""Small files in the forms that the readers know, right or wrong on purpose."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import warnings
import zipfile

import numpy as np


def idx_bytes(values: np.ndarray, dims: tuple[int, ...] | None = None) -> bytes:
    """Return values (uint8) as an idx file that is not packed; dims: what its header says, if not the truth."""
    dims = values.shape if dims is None else dims
    return bytes([0, 0, 8, len(dims)]) + struct.pack(f">{len(dims)}I", *dims) + values.tobytes()


def idx_gz(values: np.ndarray, dims: tuple[int, ...] | None = None) -> bytes:
    return gzip.compress(idx_bytes(values, dims), mtime=0)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tar_bytes(members: dict[str, bytes] | list[tuple[tarfile.TarInfo | str, bytes]], mode: str) -> bytes:
    """Return a tar archive; mode: "w:gz", "w:xz", "w". The same members give the same bytes: no clock is in them."""
    if mode == "w:gz":
        return gzip.compress(tar_bytes(members, "w"), mtime=0)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for info, data in members.items() if isinstance(members, dict) else members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def deb_bytes(data_tar: bytes, suffix: str = ".xz") -> bytes:
    """Return a .deb archive with these bytes as its member data.tar*."""
    result = b"!<arch>\n"
    for name, body in (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), (f"data.tar{suffix}", data_tar)):
        result += (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode() + body + b"\n" * (len(body) % 2)
        )
    return result


def zip_bytes(members: dict[str, bytes] | list[tuple[str, bytes]], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a .zip archive without a clock in it; a list may name a member twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in members.items() if isinstance(members, dict) else members:
            archive.writestr(zipfile.ZipInfo(name), data, packed)
    return buffer.getvalue()
