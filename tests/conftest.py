"""Conftest: how every test runs; fixtures belong to the folder that needs them."""

import os

from hypothesis import settings

# A busy machine is not a bug, so no example has a deadline. CI repeats itself exactly.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")
