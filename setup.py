"""The list of packages, which pyproject.toml cannot say: those found under lab/, and conf/ as lab.conf."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["lab", "lab.*"]), "lab.conf"])
