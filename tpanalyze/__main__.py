"""``python -m tpanalyze``: the same as the command ``tpanalyze``."""

from tpanalyze.cli import main

main(prog_name="tpanalyze")
