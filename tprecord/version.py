"""The version of tprecord and tpanalyze."""

VERSION = "0.1.0"
