"""The report's whole records are audited here as well."""

from tests.report.conftest import whole

__all__ = ["whole"]
