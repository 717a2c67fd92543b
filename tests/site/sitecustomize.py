"""What ``tprecord.pth`` does where tprecord is installed, for tests that run it where it is not."""  # noqa: INP001

import os

if os.environ.get("TPRECORD_CHILDREN"):
    import tprecord.child

    tprecord.child.start()
