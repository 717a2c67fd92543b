"""What the recorder and the analyser cost, measured: ``python3 dev.py bench``."""
