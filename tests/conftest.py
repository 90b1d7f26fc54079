"""Settings of all tests: how many examples hypothesis tries, no deadline for one (machines are shared), and where Triton's
kernels run: in its interpreter, unless there is a GPU. Triton reads this once, when it is imported, and torch may do that.
"""

import os

import torch
from hypothesis import settings

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
