"""What the developers of tprecord run; `dev.py` calls it inside an environment."""
