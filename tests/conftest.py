"""Settings of all tests: how many examples hypothesis tries, and no deadline for one (machines are shared).

And where Triton's kernels run: in its interpreter, unless there is a GPU. Triton reads this when it is imported, which
torch does whenever it likes.
"""

import os

import torch
from hypothesis import settings

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
