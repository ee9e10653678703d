"""Imported before ``warm_imports``: what that imports is not garbage, and to go through it takes a second."""

import gc

gc.disable()
