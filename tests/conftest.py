"""Settings of all tests: how many examples hypothesis tries, and no deadline for one (machines are shared).

And where Triton's kernels run: in its interpreter, unless there is a GPU. Triton reads this when it is imported, which
torch does whenever it likes. And Ctrl-C works: a shell that starts a command in the background has it ignore SIGINT.
"""

import os
import signal

import torch
from hypothesis import settings

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
