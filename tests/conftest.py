"""Conftest: how every test runs; fixtures belong to the folder that needs them."""

import os
import signal

from hypothesis import settings

# A busy machine is not a bug, so no example has a deadline. CI repeats itself exactly.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# Started in the background by a shell, we and all our children would be deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
