"""Workbooks: xlsx, xlsm, xlsb, xls, ods: splits, records and tables."""

from file_cdk.formats.excel.format import ExcelFormat

__all__ = ["ExcelFormat"]
